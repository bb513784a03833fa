"""`python -m tests.conformance [TARGET]`: the suite against one proxy, or against all for the page of the docs."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from datetime import UTC, datetime

from benchmarks.processes import StartError
from tests.conformance.case import SHOULD
from tests.conformance.cases import CASES
from tests.conformance.page import page, told
from tests.conformance.run import PATIENCE_SECONDS, Result, conformance, selected
from tests.conformance.targets import TARGETS, NotInstalledError

_UNMET, _UNUSABLE = 1, 2


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("target", nargs="?", choices=TARGETS, default="sidecar", help="the proxy; ours by default")
    parser.add_argument("--page", action="store_true", help="run every proxy and print docs/conformance.md")
    parser.add_argument("--json", action="store_true", help="print what was seen as JSON")
    parser.add_argument("--only", default="", metavar="REGEX", help="the cases whose name matches")
    parser.add_argument("--bytes", action="store_true", help="print the bytes of failing cases too")
    parser.add_argument("--patience", type=float, default=PATIENCE_SECONDS, metavar="SECONDS",
                        help="how long an answer may take")  # fmt: skip
    return parser.parse_args()


def main() -> int:
    """Exit code: 1 where a MUST or a case of security fails, 2 where the proxy cannot be run."""
    asked = _arguments()
    cases = selected(CASES, asked.only)
    names = list(TARGETS) if asked.page else [asked.target]
    results: dict[str, list[Result]] = {}
    for name in names:
        print(f"{name} …", file=sys.stderr, flush=True)
        try:
            results[name] = asyncio.run(conformance(TARGETS[name], cases, asked.patience))
        except (NotInstalledError, StartError) as error:
            print(error, file=sys.stderr)
            return _UNUSABLE
    if asked.page:
        versions = {name: TARGETS[name].told() for name in results}
        print(page(results, versions, datetime.now(UTC).date().isoformat()), end="")
        return 0
    found = results[asked.target]
    if asked.json:
        rows = [{"case": one.case.name, "level": one.case.level.value, "wrong": one.wrong} for one in found]
        print(json.dumps(rows, indent=1))
    else:
        print(told(found, asked.bytes))
    return _UNMET if any(one.wrong and one.case.level is not SHOULD for one in found) else 0


if __name__ == "__main__":
    sys.exit(main())
