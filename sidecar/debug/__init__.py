"""The inside of one process, for somebody who hunts a leak or a stall: asked for rarely, and idle until then."""
