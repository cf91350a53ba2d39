"""A mounted platform for each test: the real system calls, and a tree that the test shapes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pytio.backends.sysfs import Sysfs, TsmShape
from tests.fakes.fuse import Mount, why_not
from tests.fakes.platform import Platform


@pytest.fixture
def platform(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Platform]:
    """Return a platform mounted at ``tmp_path``; of another shape where the test parametrizes it."""
    if reason := why_not():
        pytest.skip(f"a live sysfs needs FUSE: {reason}")
    shaped = Platform(getattr(request, "param", TsmShape.UPSTREAM))
    with Mount(tmp_path, shaped.root):
        yield shaped


@pytest.fixture
def sysfs(platform: Platform, tmp_path: Path) -> Sysfs:
    """Return the backend on the mounted platform."""
    return Sysfs(tmp_path)
