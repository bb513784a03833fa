"""`sidecar check` and `sidecar schema`: rules without running them."""

from __future__ import annotations

import argparse
import json
import os
import sys

from sidecar.app.errors import Exit
from sidecar.app.surroundings import examined
from sidecar.rules.load import load_rules
from sidecar.rules.problems import ConfigError


def check(arguments: argparse.Namespace) -> int:
    """Print every problem of every file; 1 when any is an error."""
    failed = False
    for file in arguments.files:
        try:
            loaded = load_rules(
                file,
                environ=plain_environment(),
                sets=arguments.set,
                allow_faults=arguments.allow_faults,
                examine=examined,
            )
        except ConfigError as error:
            failed = True
            problems = error.problems
        else:
            problems = loaded.warnings
            if not problems and not arguments.quiet:
                print(f"{file}: ok", file=sys.stderr)
        for problem in problems:
            print(problem)
    return Exit.FAILED if failed else Exit.DONE


def schema(_arguments: argparse.Namespace) -> int:
    """Print the JSON Schema of the rules file."""
    from sidecar.rules.json_schema import json_schema

    print(json.dumps(json_schema(), indent=2))
    return Exit.DONE


def plain_environment() -> dict[str, str]:
    """The environment for `${NAME}`, without what would change the rules of a run: a file is judged by itself."""
    speaks = ("SIDECAR_LISTEN", "SIDECAR_UPSTREAM", "SIDECAR_ADMIN", "SIDECAR_LOG_LEVEL")
    return {name: value for name, value in os.environ.items() if name not in speaks}
