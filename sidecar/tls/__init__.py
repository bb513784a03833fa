"""TLS without I/O: contexts out of files, what certificates say, failures in words, and a session."""
