"""What every test stands on: Hypothesis profiles, and the event loop a test runs on.

Tests run on asyncio's own loop; tests/integration runs on uvloop, as the product does, where it is installed; a module
or test marked `both_loops` runs on each of them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

# Derandomised, because a suite that can fail by luck teaches people to run it again. `deep` is where luck is wanted.
settings.register_profile("fast", deadline=None, derandomize=True, max_examples=60)
settings.register_profile(
    "deep", deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("deep" if os.environ.get("SIDECAR_DEEP") else "fast")

_INTEGRATION = Path(__file__).with_name("integration")


def _loops() -> dict[str, LoopFactory]:
    loops: dict[str, LoopFactory] = {"asyncio": asyncio.new_event_loop}
    try:
        import uvloop
    except ImportError:
        return loops
    loops["uvloop"] = uvloop.new_event_loop
    return loops


def pytest_configure(config: pytest.Config) -> None:
    """Names the markers of this suite."""
    config.addinivalue_line("markers", "both_loops: runs on asyncio's loop and on uvloop")


# Optional: a pytest-asyncio that does not know this hook runs everything on asyncio's loop.
@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, LoopFactory]:
    """The loops that one test runs on."""
    loops = _loops()
    if item.get_closest_marker("both_loops") is not None:
        return loops
    name = "uvloop" if "uvloop" in loops and item.path.is_relative_to(_INTEGRATION) else "asyncio"
    return {name: loops[name]}
