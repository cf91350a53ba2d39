"""Do something without privileges, in a child."""

from __future__ import annotations

import os
from collections.abc import Callable

__all__ = ("as_nobody",)

_NOBODY = 65534


def as_nobody(what: Callable[[], None]) -> str:
    """Return the class and text of what it raised; nothing if it did not raise."""
    readable, writable = os.pipe()
    if not (child := os.fork()):
        said = ""
        try:
            os.setgroups([])
            os.setuid(_NOBODY)
            what()
        except BaseException as error:  # noqa: BLE001  the parent is told what it was
            said = f"{type(error).__name__}: {error}"
        os.write(writable, said.encode())
        os._exit(0)
    os.close(writable)
    os.waitpid(child, 0)
    said = os.read(readable, 4096).decode()
    os.close(readable)
    return said
