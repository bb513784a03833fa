"""Numbers that a request's query asks for."""

from __future__ import annotations

import math

from aiohttp import web


def number(request: web.Request, name: str, default: float, most: float) -> float:
    """What the query says of `name`, from 0 to `most`; without it `default`. Anything else is answered with 400."""
    text = request.query.get(name)
    if text is None:
        return default
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 <= found <= most:  # also refuses nan
        raise web.HTTPBadRequest(text=f"{name} is a number from 0 to {most:g}\n")
    return found
