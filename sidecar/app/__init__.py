"""The composition root: command line, wiring, lifecycle. Imports everything; nothing imports it."""
