"""The states of a connection to an endpoint, and what leads from one to the next.

    IDLE    --leased-->           LEASED   --start-->        WAITING
    WAITING --first byte-->       HEAD     --final head-->   BODY      --101-->  TUNNEL
    BODY    --answer complete-->  IDLE, when both messages are complete and nothing is left over; else CLOSED
    IDLE, LEASED --any byte or end-->      CLOSED  (nobody asked: it cannot belong to the next request)
    any     --failure, cancel-->           CLOSED

Plain numbers in this order: below WAITING nothing was asked, and from WAITING to TUNNEL an attempt is under way.
"""

IDLE = 0
LEASED = 1
WAITING = 2
HEAD = 3
BODY = 4
TUNNEL = 5
CLOSED = 6
