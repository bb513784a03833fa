"""The operator's HTTP surface (aiohttp). Only looks; its verbs are callables that the wiring hands in."""
