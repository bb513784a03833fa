"""What is known of an accepted connection before its own bytes are read."""

from __future__ import annotations

from typing import NamedTuple


class Announced(NamedTuple):
    """Who a PROXY header says is at the other end, and whom they had reached. Addresses are text as in IPv4 or IPv6."""

    source: str
    source_port: int
    destination: str
    destination_port: int
