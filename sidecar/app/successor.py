"""The command line that starts this very program once more, to take over from it.

Knows no signal and no process: it is words to words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

FLAG = "--takeover"

# The launcher puts the folder of its own libraries before, and keeps what was there as `…_ORIG`.
_LIBRARIES = "LD_LIBRARY_PATH"


def successor_command(orig_argv: Sequence[str], executable: str) -> list[str]:
    """This process's own command line (`sys.orig_argv`), run by `executable` (its interpreter), with the flag once.

    One form for `python -m sidecar run`, for the `sidecar` script and for a frozen executable, which is its own
    interpreter. What is started is what stands under that path by now: the new version.
    """
    words = [word for word in orig_argv[1:] if word != FLAG]
    return [executable or orig_argv[0], *words, FLAG]


def successor_environment(environ: Mapping[str, str], *, frozen: bool) -> dict[str, str]:
    """What the successor finds in its environment; `frozen` is `sys.frozen`.

    A one-file executable would otherwise use the files that this process unpacked and removes at its end; and once they
    are gone, load what anybody puts in their place in a folder that all may write to.
    """
    if not frozen:
        return dict(environ)
    before = environ.get(f"{_LIBRARIES}_ORIG")
    rest = {key: value for key, value in environ.items() if not key.startswith(_LIBRARIES)}
    return {**rest, "PYINSTALLER_RESET_ENVIRONMENT": "1"} | ({_LIBRARIES: before} if before else {})
