"""The states of an exchange in the corridor, and what leads from one to the next.

    HELD      --admitted-->            WAITING   (for a connection)   --refused-->  DONE
    WAITING   --leased-->              SENDING   (the request is on its way, no final head yet)
    SENDING   --final head-->          RELAYING  --101-->  TUNNEL
    SENDING   --failure or a head not wanted, tried again-->  HELD, WAITING or SENDING
    any       --the last byte, an answer of ours, a cut-->    DONE

Plain numbers in this order: from RELAYING on the client has been told something that cannot be taken back.
"""

HELD = 0
WAITING = 1
SENDING = 2
RELAYING = 3
TUNNEL = 4
DONE = 5
