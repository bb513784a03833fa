"""The bridge: the one package that sees decisions and bytes."""
