"""Sidecar: a reverse proxy that makes any backend resilient."""

__version__ = "0.1.0"
