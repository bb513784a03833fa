"""What every test stands on: Hypothesis profiles, the event loop a test runs on, and bytecode for what it starts.

Tests run on asyncio's own loop; tests/integration runs on uvloop, as the product does, where it is installed; a module
or test marked `both_loops` runs on each of them.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
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
    """Names the markers of this suite, and gives the processes that it starts one place for their bytecode."""
    config.addinivalue_line("markers", "both_loops: runs on asyncio's loop and on uvloop")
    # Hundreds of processes are started: where none may write bytecode, each would compile all of us anew, 0.3 s of 0.8.
    # What is shipped is built in the environment as it is.
    if not os.environ.get("SIDECAR_SHIPPED") and os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        place = tempfile.TemporaryDirectory(prefix="bytecode-", ignore_cleanup_errors=True)
        config.add_cleanup(place.cleanup)
        os.environ["PYTHONPYCACHEPREFIX"] = place.name


# Optional: a pytest-asyncio that does not know this hook runs everything on asyncio's loop.
@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, LoopFactory]:
    """The loops that one test runs on."""
    loops = _loops()
    if item.get_closest_marker("both_loops") is not None:
        return loops
    name = "uvloop" if "uvloop" in loops and item.path.is_relative_to(_INTEGRATION) else "asyncio"
    return {name: loops[name]}
