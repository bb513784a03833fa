"""Somebody's Kubernetes manifests with a native sidecar put in, and taken out again. Pure: text in, text out."""
