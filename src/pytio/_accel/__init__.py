"""Hot loops, compiled where the installation could compile them, in plain Python elsewhere; `IS_COMPILED` says which.

``PYTIO_PURE=1`` in the environment selects plain Python. This is the one place below the hosts that reads the
environment: the choice has to fall before the first import of a function, and both choices behave the same.
"""

from __future__ import annotations

import os
from typing import Final

from pytio._accel import pure

__all__ = ("IS_COMPILED", "index_pcap", "provider")


def _compiled() -> bool:
    """Tell whether the compiled twins are wanted and there."""
    if os.environ.get("PYTIO_PURE", "") not in {"", "0"}:
        return False
    try:
        from pytio._accel import scan  # noqa: F401, PLC0415  the import is the question
    except ImportError:
        return False
    return True


IS_COMPILED: Final = _compiled()

if IS_COMPILED:
    from pytio._accel.scan import index_pcap
else:
    index_pcap = pure.index_pcap


def provider() -> str:
    """Return ``"compiled"`` or ``"pure"``, for a bug report or a benchmark row."""
    return "compiled" if IS_COMPILED else "pure"
