"""The `sidecar` command: what people type at a terminal, and what they are shown there."""
