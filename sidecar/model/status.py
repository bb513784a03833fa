"""Statuses that mean something to both towers."""

# From here on the connection is a tunnel (RFC 9110 section 15.2.2).
SWITCHING_PROTOCOLS = 101

# RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5: a client would take a body after one of these for the next answer. A rule
# may ask for them (a fault's `status`, a fallback's).
BODILESS = (204, 205, 304)
