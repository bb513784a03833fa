"""What rules may need beyond the package itself, and how it is had. Looks for it only where rules ask."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from sidecar.rules.schema import RuleSet

_OTEL = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


def lacking(rules: RuleSet) -> Mapping[str, str]:
    """What these rules need and this installation has not: a sentence for each key that asks for it."""
    if rules.tracing.export is None or all(map(_is_installed, _OTEL)):
        return {}
    # By their own names: for an extra pip would look up Sidecar's, which may be somebody else's in an index.
    how = "pip install opentelemetry-exporter-otlp-proto-http"
    return {"tracing.export": f"`tracing.export` needs packages that are not installed: {how}"}


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # what it is in is not there either
        return False
