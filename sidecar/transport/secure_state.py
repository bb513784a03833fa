"""The states of a connection's TLS layer, and what leads from one to the next.

    HANDSHAKE  --complete-->                  OPEN     --close, abort, failed, cut short-->  CLOSING
    HANDSHAKE  --failed, left, too slow-->    CLOSING  --connection_lost-->                  CLOSED
    HANDSHAKE  --the client speaks no TLS, and another protocol has the transport-->         CLOSED

Plain numbers in this order: from OPEN on there is somebody above who knows of the connection.
"""

HANDSHAKE = 0
OPEN = 1
CLOSING = 2
CLOSED = 3
