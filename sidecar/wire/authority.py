"""Hosts and ports as written in Host and in absolute-form targets (RFC 9110 section 4.2, RFC 3986 section 3.2).

Owns what an acceptable authority looks like. May not know what it is used for.
"""

# reg-name and IP-literal bytes, and `:` before the port. Not among them: `@` (RFC 9110 section 4.2.4: userinfo is a
# disguise), `/`, `?`, `#`, `\`, spaces, controls, and everything beyond ASCII. `,` is legal in a reg-name, but two
# hosts folded into one field look the same, and no real host name has it.
_REG_NAME = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%!$&'()*+;="
_LITERAL = b"0123456789abcdefABCDEF:."


def valid_authority(value: bytes) -> bool:
    """Whether `value` is `host` or `host:port`, the host perhaps empty, an IPv6 literal in brackets."""
    host = value
    if value[:1] == b"[":
        closing = value.find(b"]")
        literal = value[1:closing] if closing > 0 else b""
        if not literal or literal.translate(None, _LITERAL):
            return False
        host = value[closing + 1 :]
        if not host:
            return True
        if host[:1] != b":":
            return False
    colon = host.find(b":")
    if colon >= 0:
        port = host[colon + 1 :]
        if port and (len(port) > 5 or not port.isdigit()):
            return False
        host = host[:colon]
    return not host.translate(None, _REG_NAME)
