"""A small aiohttp backend that answers, echoes, streams, is slow, fails and takes WebSockets; and a load for it."""
