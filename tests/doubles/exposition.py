"""An exposition had at once, where nobody else wants a turn between its pieces."""

from sidecar.telemetry.metrics import Metrics


def rendered(metrics: Metrics, accept: str) -> tuple[bytes, str]:
    """The body and its content type."""
    pieces, kind = metrics.pieces(accept)
    return b"".join(pieces), kind
