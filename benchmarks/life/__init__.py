"""What Sidecar promises of its life, measured on real processes: reloads, drains, restarts, upgrades, cancellations."""
