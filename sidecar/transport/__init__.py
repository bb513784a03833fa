"""Sockets: accepted connections, upstream connections and their pools, timers. Knows no policy."""
