"""Real programs that a test drives: found, or the test does not run.

On a developer's machine a missing program skips the test; in CI (environment `CI=true`) it fails, because a suite that
quietly skips what it was set up to prove is worse than a red one.
"""

import os
import shutil

import pytest


def require(program: str) -> str:
    """Path of `program`. Without it: skips the calling test, or fails it when `CI=true`."""
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin:/sbin")
    if path is not None:
        return path
    if os.environ.get("CI") == "true":
        pytest.fail(f"{program} is not installed, and CI must run this test")
    pytest.skip(f"{program} is not installed")
