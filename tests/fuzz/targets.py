"""Any bytes parse, and build back to themselves, or raise the layer's error at an offset inside them.

And the derived reader makes of them exactly what construct makes of them. That is the whole invariant of a codec; each
message is a target of its own, made from its field list, so a new message is fuzzed the day it is declared. The first
bytes of an input are the facts that only a connection knows, one byte each, in the order of their names.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Final

from pytio.errors import DecodeError
from pytio.wire import WireStruct
from tests.strategies import all_messages
from tests.wire.agreement import check_parsing
from tests.wire.samples import SAMPLES

__all__ = ("TARGETS", "feature", "packed", "run")

Target = Callable[[bytes], "DecodeError | None"]


def run(cls: type[WireStruct], data: bytes) -> DecodeError | None:
    """Hold one input against the invariant; return the error that it raised, if any."""
    names = sorted(cls.GIVEN)
    given = dict(zip(names, data.ljust(len(names), b"\0"), strict=False))
    return check_parsing(cls, data[len(names) :], given)


def packed(cls: type[WireStruct], raw: bytes, given: dict[str, int]) -> bytes:
    """Return the input that stands for the bytes of a message and its facts."""
    return bytes(min(given[name], 0xFF) for name in sorted(cls.GIVEN)) + raw


def feature(error: DecodeError | None) -> str:
    """Return what an input reached: the field at which it failed, and why, without the numbers."""
    return "parsed" if error is None else re.sub(r"-?(0x[0-9a-f]+|[0-9]+)", "#", f"{error.path}: {error.reason}")


TARGETS: Final[dict[str, Target]] = {
    f"{cls.__module__}.{cls.__name__}": partial(run, cls) for cls in (*all_messages(), *SAMPLES)
}
"""Every message by its import path."""
