"""The field names the proxy must recognise, and the table that finds them without slicing or hashing a string.

Owns the spelling, the identifiers and which of them are cut from the forwardable block. May not know what a field
means: `head.py` does. An identifier is the index into `NAMES`; 0 stands for every other field.
"""

NAMES: tuple[bytes, ...] = (
    b"",
    b"host",
    b"content-length",
    b"transfer-encoding",
    b"connection",
    b"te",
    b"upgrade",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-proto",
    b"forwarded",
    b"via",
    b"x-request-id",
    b"x-request-timeout-ms",
    b"traceparent",
    b"content-type",
    b"idempotency-key",
    b"expect",
    b"date",
    b"x-sidecar-attempt",
    b"keep-alive",
    b"proxy-connection",
    b"proxy-authorization",
    b"proxy-authenticate",
    b"proxy-authentication-info",
    b"http2-settings",
    b"x-forwarded-client-cert",
    b"tracestate",  # from here on: the fields of a trace, whose lines a request keeps apart
    b"b3",
    b"x-b3-traceid",
    b"x-b3-spanid",
    b"x-b3-parentspanid",
    b"x-b3-sampled",
    b"x-b3-flags",
)

# Each hop writes its own: RFC 9110 section 7.6.1, and sections 11.7.1 to 11.7.3 for proxy authentication, which is
# between a client and the proxy it chose; a reverse proxy was chosen by nobody.
HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"transfer-encoding",
        b"te",
        b"upgrade",
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authorization",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"http2-settings",
    }
)

# Cut from requests because `forwarding.py` writes them anew, or is to say whether they go on.
REWRITTEN = frozenset(
    {
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-proto",
        b"x-forwarded-client-cert",
        b"forwarded",
        b"via",
        b"x-request-id",
        b"x-request-timeout-ms",
        b"traceparent",
        b"x-sidecar-attempt",
        b"tracestate",
        b"b3",
        b"x-b3-traceid",
        b"x-b3-spanid",
        b"x-b3-parentspanid",
        b"x-b3-sampled",
        b"x-b3-flags",
    }
)

# A sender must not name fields meant for every recipient in Connection (RFC 9110 section 7.6.1). These decide where
# a message goes, where it ends or whom it is from: dropping them on a stranger's word is an attack on the next hop.
NEVER_A_CONNECTION_OPTION = frozenset(
    {
        b"host",
        b"content-length",
        b"transfer-encoding",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-proto",
        b"x-forwarded-client-cert",
        b"forwarded",
        b"via",
    }
)

# RFC 9110 section 5.6.2
TOKEN_BYTES = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


VALUE_BYTES = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))  # RFC 9110 section 5.5
# RFC 9112 section 3.2: visible ASCII. `#` begins a fragment, which no target has. Other bytes RFC 3986 would escape
# (`"<>^{|}`) are sent by browsers and accepted by nginx and Envoy alike.
TARGET_BYTES = bytes(byte for byte in range(0x21, 0x7F) if byte != 0x23)

SLOT_LENGTH, SLOT_FIRST, SLOT_LAST = 2, 1, 3


def slot_of(name: bytes) -> int:
    """Where a name of token bytes falls in `SLOTS`; case does not matter."""
    return (len(name) * SLOT_LENGTH + (name[0] | 32) * SLOT_FIRST + (name[-1] | 32) * SLOT_LAST) & 255


def _chains() -> tuple[bytes, bytes]:
    """For each slot the first name that falls there, and for each name the next one; 0 is none. Names of one length
    with the same ends share a slot whatever the multipliers."""
    slots, after = bytearray(256), bytearray(len(NAMES))
    for identifier, name in reversed(list(enumerate(NAMES))):
        if name:
            after[identifier] = slots[slot_of(name)]
            slots[slot_of(name)] = identifier
    return bytes(slots), bytes(after)


SLOTS, NEXT = _chains()
CUT_FROM_REQUEST = bytes(name in HOP_BY_HOP or name in REWRITTEN for name in NAMES)
CUT_FROM_RESPONSE = bytes(name in HOP_BY_HOP for name in NAMES)
