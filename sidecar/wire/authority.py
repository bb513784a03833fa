"""Hosts and ports as written in Host and in absolute-form targets (RFC 9110 section 4.2, RFC 3986 section 3.2).

Owns what an acceptable authority looks like. May not know what it is used for.
"""

from sidecar.wire.runs import ByteRun

# reg-name and IP-literal bytes, and `:` before the port. Not among them: `@` (RFC 9110 section 4.2.4: userinfo is a
# disguise), `/`, `?`, `#`, `\`, spaces, controls, and everything beyond ASCII. `,` is legal in a reg-name, but two
# hosts folded into one field look the same, and no real host name has it.
_REG_NAME = ByteRun(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%!$&'()*+;=")
_LITERAL = ByteRun(b"0123456789abcdefABCDEF:.")
_DIGITS = ByteRun(b"0123456789")


def valid_authority(value: bytes) -> bool:
    """Whether `value` is `host` or `host:port`, the host perhaps empty, an IPv6 literal in brackets."""
    limit = len(value)
    if value[:1] == b"[":
        end = _LITERAL.end(value, 1, limit)
        if end == 1 or end == limit or value[end] != 93:
            return False
        end += 1
    else:
        end = _REG_NAME.end(value, 0, limit)
    if end == limit:
        return True
    return value[end] == 58 and limit - end <= 6 and _DIGITS.end(value, end + 1, limit) == limit
