"""HTTP/1.1 as bytes and values: heads, bodies, framing, forwarding duties. Knows no socket and no policy."""
