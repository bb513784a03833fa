"""The rules made ready to decide: compiled routes, upstreams with their endpoints, one numbered generation."""
