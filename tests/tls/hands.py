"""Two ends that shake hands in memory, without a socket or a loop."""

from __future__ import annotations

import ssl

from sidecar.tls.contexts import Credentials


class End:
    """One side of a session over two buffers, by the standard library alone."""

    def __init__(self, context: ssl.SSLContext, server_side: bool, name: str | None = None) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.object = context.wrap_bio(self.incoming, self.outgoing, server_side=server_side, server_hostname=name)

    def step(self) -> bool:
        """Goes on with the handshake; whether it is complete."""
        try:
            self.object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def read(self) -> bytes:
        """All that can be decrypted."""
        found = b""
        while True:
            try:
                piece = self.object.read(65536)
            except ssl.SSLWantReadError:
                return found
            if not piece:
                return found
            found += piece


def shake(server: ssl.SSLContext, client: ssl.SSLContext, name: str | None = "localhost") -> tuple[End, End]:
    """Both ends of a complete handshake; raises what the first end to fail does."""
    ours, theirs = End(server, True), End(client, False, name)
    done = False
    while not done:
        first = theirs.step()
        ours.incoming.write(theirs.outgoing.read())
        done = ours.step() and first
        theirs.incoming.write(ours.outgoing.read())
    theirs.read()  # tickets
    return ours, theirs


def contexts(server: Credentials, client: Credentials) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The two contexts, in the order of `shake`."""
    return server.context, client.context
