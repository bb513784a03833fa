"""The states of an accepted connection without HTTP, and what leads from one to the next.

    WAITING  --open_tunnel-->          OPEN     --both halves ended-->  CLOSING  --everything sent-->  CLOSED
    WAITING  --send_end: a refusal-->  CLOSING
    any      --reset, abort-->         CLOSING  --connection_lost-->    CLOSED

Plain numbers in this order: up to OPEN somebody listens to its bytes.
"""

WAITING = 0
OPEN = 1
CLOSING = 2
CLOSED = 3
