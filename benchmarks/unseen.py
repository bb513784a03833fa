"""`python -m benchmarks.unseen run …`: Sidecar with its metrics taken out, to know what they cost.

Nobody counts a request, an attempt or a change of a breaker; /metrics and /status have nothing to tell. No product has
such a mode, because nobody would run it.
"""

import sys

from sidecar.cli.main import main
from sidecar.model.observer import RouteObserver, Unobserved
from sidecar.telemetry.stats import Stats


def blind() -> None:
    """Have every Stats made from now on give out observers that keep nothing."""
    begin = Stats.__init__

    def without_counts(self: Stats, *arguments: object, **named: object) -> None:
        begin(self, *arguments, **named)  # type: ignore[arg-type]
        self.unrouted = RouteObserver()  # type: ignore[assignment]

    Stats.__init__ = without_counts  # type: ignore[method-assign]
    # Not of the types that a Stats gives out: nobody reads these.
    Stats.route = Unobserved.route  # type: ignore[assignment, method-assign]
    Stats.upstream = Unobserved.upstream  # type: ignore[assignment, method-assign]
    Stats.breaker = Unobserved.breaker  # type: ignore[assignment, method-assign]


if __name__ == "__main__":
    blind()
    sys.exit(main(sys.argv[1:]))
