"""The user's own rules against a backend that misbehaves on a script: `sidecar drill`."""
