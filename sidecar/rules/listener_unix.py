"""What a rule may say of the file of a listener's unix socket: who may connect."""

from __future__ import annotations

import grp
import pwd
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from sidecar.policies.units import Kind

_MODE = re.compile(r"0?[0-7]{3}")
# To the kernel, as a user's or group's number: whoever it is by now.
_NOBODY_S = (1 << 32) - 1


def parse_mode(text: str) -> int:
    """Permissions as `chmod` has them: 0660."""
    if not _MODE.fullmatch(text):
        raise ValueError(f"`{text}` is not the mode of a file; write it as 0660")
    return int(text, 8)


def parse_owner(text: str) -> str:
    """The name of a user of this machine, or a number."""
    if not _is_number(text) and not _is_known(pwd.getpwnam, text):
        raise ValueError(f"there is no user `{text}` on this machine")
    return text


def parse_group(text: str) -> str:
    """The name of a group of this machine, or a number."""
    if not _is_number(text) and not _is_known(grp.getgrnam, text):
        raise ValueError(f"there is no group `{text}` on this machine")
    return text


def _is_number(text: str) -> bool:
    return text.isdecimal() and int(text) < _NOBODY_S


def _is_known(look_up: Callable[[str], object], name: str) -> bool:
    try:
        look_up(name)
    except (KeyError, ValueError):  # ValueError: a null byte
        return False
    return True


MODE = Kind("mode", parse_mode, {"type": ["string", "integer"], "pattern": "^0?[0-7]{3}$"}, lambda mode: f"{mode:04o}")
OWNER = Kind("user", parse_owner, {"type": ["string", "integer"]})
GROUP = Kind("group", parse_group, {"type": ["string", "integer"]})


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerUnix:
    """The file of a unix socket."""

    mode: Annotated[int, MODE, "its permissions; whoever may write may connect"] = 0o666
    owner: Annotated[str | None, OWNER, "its user, by name or number; absent: ours"] = None
    group: Annotated[str | None, GROUP, "its group, by name or number; absent: ours"] = None
