"""The states of an accepted connection, and what leads from one to the next.

    IDLE          --bytes-->         HEAD      --head complete-->   BODY, or ANSWER when the body is complete too
    BODY          --body complete--> ANSWER    --fault-->           BROKEN (the rest is thrown away)
    ANSWER        --send_end-->      IDLE, or CLOSING when the connection is not kept
    BODY, BROKEN  --send_end-->      LINGER    --FIN, too much or too long-->  CLOSING
    ANSWER        --open_tunnel-->   TUNNEL    --both halves ended-->          CLOSING
    any           --connection_lost-->         CLOSED

Plain numbers in this order: an exchange runs from BODY to TUNNEL, it has no tunnel up to BROKEN, and what is not below
BODY counts as active.
"""

IDLE = 0
HEAD = 1
BODY = 2
ANSWER = 3
BROKEN = 4
TUNNEL = 5
LINGER = 6
CLOSING = 7
CLOSED = 8
