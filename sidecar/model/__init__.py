"""The ground both towers stand on: values, words and the observer's protocol. Imports nothing of Sidecar."""
