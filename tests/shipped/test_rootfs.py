"""The double that runs a root file system keeps what it promises, or the tests beside it would prove nothing."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.doubles.rootfs import Rootfs

_PATH = {"PATH": "/usr/bin:/bin"}
_WHO = 'echo "$$ $(id -u)"; test -e /usr/bin/python3 || echo no python; touch /etc/x 2>/dev/null || echo read-only'


async def test_a_program_is_process_1_not_root_and_changes_nothing(bare: Rootfs) -> None:
    code, out, _ = await bare.ran(["/bin/sh", "-c", _WHO], environment=_PATH)
    assert (code, out.splitlines()) == (0, ["1 65532", "no python", "read-only"])
    assert not (bare.folder / "etc" / "x").exists()


async def test_a_signal_reaches_it_and_its_exit_code_comes_out(bare: Rootfs) -> None:
    waiting = "trap 'exit 7' TERM; echo ready >&2; while :; do sleep 0.1; done"
    async with bare.running(["/bin/sh", "-c", waiting], ready="ready", environment=_PATH) as process:
        process.signal(signal.SIGTERM)
        assert await process.ended() == 7


async def test_what_is_bound_is_seen_and_stays_as_it_is(bare: Rootfs, tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir(mode=0o755)
    (tmp_path / "rules" / "one").write_text("hello")
    look = "cat /etc/sidecar/one; touch /etc/sidecar/two || echo refused"
    binds = {tmp_path / "rules": "/etc/sidecar"}
    _, out, _ = await bare.ran(["/bin/sh", "-c", look], user=0, binds=binds, environment=_PATH)
    assert "hello" in out
    assert "refused" in out
