"""What is looked at around rules before they run: what is installed, and the certificates and keys that they name."""

from __future__ import annotations

import time
from collections.abc import Iterable

from sidecar.app.extras import lacking
from sidecar.app.listener_credentials import listener_findings
from sidecar.app.upstream_credentials import upstream_findings
from sidecar.rules.findings import Finding, Read
from sidecar.rules.schema import RuleSet


def examined(rules: RuleSet, read: Read) -> Iterable[Finding]:
    """See rules.findings.Examine."""
    for key, sentence in lacking(rules).items():
        yield Finding(key, sentence, "refused")
    now = time.time()
    yield from listener_findings(rules, read, now)
    yield from upstream_findings(rules, read, now)
