"""A certificate's end is told once when it is near, and once when it has come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.app.credentials import ENDS_SOON, certificates_of
from sidecar.app.expiry import Expiry
from sidecar.app.surroundings import examined
from sidecar.rules.load import Loaded, load_text
from sidecar.rules.overlay import Given
from sidecar.telemetry.events import Events
from tests.doubles.certificates import Certificate, server_certificate
from tests.doubles.running import rules_text
from tests.doubles.timers import Timers


class Scene:
    def __init__(self) -> None:
        self.now = 0.0
        self.events = Events()
        self.timers = Timers()
        self.expiry = Expiry(self.events, self.timers, lambda: self.now)  # type: ignore[arg-type]

    def told(self) -> list[tuple[str, object, bool]]:
        return [(event.subject, event.fields["state"], event.alarming) for event in self.events.recent]

    def next_look(self) -> float:
        (seconds,) = self.timers.due()
        return seconds


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.expiry.stop()
    assert made.timers.due() == []


def rules(folder: Path, certificate: Certificate) -> Loaded:
    files = certificate.write(folder)
    tls = f"tls: {{certificate: {files.certificate}, private_key: {files.private_key}}}"
    return load_text(rules_text("http://127.0.0.1:1", listener=tls), "f.yaml", Given(examine=examined))


def test_it_is_told_once_a_fortnight_before_and_once_when_it_has_ended(scene: Scene, tmp_path: Path) -> None:
    loaded = rules(tmp_path, server_certificate("app.test"))
    ((owner, facts),) = certificates_of(loaded)
    assert owner == "listener.public"
    scene.now = facts.not_after - ENDS_SOON - 60
    scene.expiry.follow(loaded)
    assert scene.told() == []
    assert scene.next_look() == pytest.approx(61)
    scene.now += scene.next_look()
    for _ in range(2):
        scene.expiry.look()
    assert scene.told() == [("listener.public", "ends soon", True)]
    assert scene.events.recent[0].text.startswith("the certificate of app.test ends in 13 days (")
    scene.now = facts.not_after + 1
    for _ in range(2):
        scene.expiry.look()
    assert scene.told()[1:] == [("listener.public", "ended", True)]
    assert "has ended" in scene.events.recent[1].text


def test_it_is_looked_for_every_hour_because_a_wall_clock_may_be_set(scene: Scene, tmp_path: Path) -> None:
    scene.expiry.follow(rules(tmp_path, server_certificate("app.test")))
    assert scene.next_look() == pytest.approx(3601)


def test_rules_that_say_the_same_of_it_tell_nothing_again_and_another_one_is_judged_anew(
    scene: Scene, tmp_path: Path
) -> None:
    short = rules(tmp_path, server_certificate("app.test", days=(-1.0, 3.0)))
    scene.now = certificates_of(short)[0][1].not_after - 3600
    scene.expiry.follow(short)
    scene.expiry.follow(replace(short))
    assert [event.text.partition(" (")[0] for event in scene.events.recent] == [
        "the certificate of app.test ends in 1 hour"
    ]
    scene.expiry.follow(rules(tmp_path, server_certificate("app.test", days=(-1.0, 4.0))))
    assert len(scene.events.recent) == 2


def test_rules_without_certificates_need_no_look(scene: Scene) -> None:
    scene.expiry.follow(load_text(rules_text("http://127.0.0.1:1"), "f.yaml", Given(examine=examined)))
    assert scene.timers.due() == []
