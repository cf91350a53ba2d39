"""The recorded messages in tests/spdm/data, one line each."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pytio.spdm.messages.base import SpdmMessage

DATA = Path(__file__).parent / "data"
MAX_DOE_PADDING = 3


class Recorded(NamedTuple):
    """One message of a corpus."""

    source: str
    cls: type[SpdmMessage]
    given: dict[str, int]
    raw: bytes


def recorded(corpus: str, *names: str) -> Iterator[Recorded]:
    """Yield the recorded messages, in the order of the sessions; only those with one of the ``names``, if any."""
    for line in (DATA / corpus).read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        source, place, given, raw = line.split()
        module, _, name = place.partition(".")
        if names and name not in names:
            continue
        cls = getattr(importlib.import_module(f"pytio.spdm.messages.{module}"), name)
        facts = {key: int(value) for key, _, value in (fact.partition("=") for fact in given.split(",") if fact != "-")}
        yield Recorded(source, cls, facts, bytes.fromhex(raw))
