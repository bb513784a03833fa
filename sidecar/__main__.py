"""`python -m sidecar`, and what the executable runs: the same as the `sidecar` command."""

import sys

from sidecar.cli.main import main

if __name__ == "__main__":
    if getattr(sys, "frozen", False):
        from sidecar.app.executable import settle

        settle(sys.argv[1:])
    raise SystemExit(main())
