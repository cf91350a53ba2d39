"""Hot loops, compiled where the installation could compile them, in plain Python elsewhere; `IS_COMPILED` says which.

``PYTIO_PURE=1`` in the environment selects plain Python. This is the one place below the hosts that reads the
environment: the choice has to fall before the first import of a function, and both choices behave the same.
"""

from __future__ import annotations

import os

from pytio._accel import pure

__all__ = ("IS_COMPILED", "index_pcap", "provider")

IS_COMPILED = False
"""Whether the functions here are the compiled twins."""

index_pcap = pure.index_pcap

if os.environ.get("PYTIO_PURE", "") in {"", "0"}:
    try:
        from pytio._accel import scan
    except ImportError:
        pass  # nothing was compiled when this was installed
    else:
        IS_COMPILED = True
        index_pcap = scan.index_pcap


def provider() -> str:
    """Return ``"compiled"`` or ``"pure"``, for a bug report or a benchmark row."""
    return "compiled" if IS_COMPILED else "pure"
