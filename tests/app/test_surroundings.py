"""Everything around rules is looked at in one go."""

from __future__ import annotations

import pytest

from sidecar.app.surroundings import examined
from sidecar.rules.load import load_rules
from sidecar.rules.problems import ConfigError


def test_what_is_not_installed_and_what_cannot_be_read_are_told_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidecar.app.surroundings.lacking", lambda rules: {"tracing": "`tracing` needs more"})
    with pytest.raises(ConfigError) as caught:
        load_rules(
            None,
            upstreams=["https://127.0.0.1:1"],
            sets=[
                "listeners.0.tls={certificate: /nowhere/a, private_key: /nowhere/b}",
                "upstreams.app.tls={ca: /no/c}",
            ],
            examine=examined,
        )
    assert [problem.message.partition(" cannot")[0] for problem in caught.value.problems] == [
        "/nowhere/a",
        "/nowhere/b",
        "/no/c",
        "`tracing` needs more",
    ]
