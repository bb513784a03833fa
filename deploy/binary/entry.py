"""What the executable runs: the `sidecar` command."""

import sys

from sidecar.app.executable import settle
from sidecar.cli.main import main

settle(sys.argv[1:])
sys.exit(main())
