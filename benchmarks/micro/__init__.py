"""What one call of a hot function costs, in nanoseconds: for whoever changes it, before and after.

Run as `python -m benchmarks.micro`. Unlike the rest of benchmarks/ this imports the product and times it in this
process; so it says nothing about requests, connections or other proxies.
"""

from collections.abc import Callable

# Makes one call so many times.
Calls = Callable[[int], None]
