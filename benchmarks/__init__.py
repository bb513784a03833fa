"""Side-by-side benchmark: the same load through Sidecar and through the proxies one would otherwise use.

Run as `python -m benchmarks`; docs/benchmarks.md says what is measured, how, and what the figures do not say.
Nothing here is imported by the product, and nothing here imports it: Sidecar is started like any other peer.
"""
