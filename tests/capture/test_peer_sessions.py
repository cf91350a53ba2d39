"""Conversations with DMTF's emulators, both ways, as they were recorded: every signature and every HMAC holds.

The other side put its transcripts together by itself, in every version, over every transport and with chunks: it is the
second opinion on what is covered.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from pytio.capture import open_capture
from tests.capture.recorded import SESSIONS

RECORDED: Final = sorted((SESSIONS / "peers").glob("*.pcapng"))
AT: Final = datetime(2026, 11, 25, tzinfo=UTC)


def test_there_are_many() -> None:
    assert len(RECORDED) >= 80
    stems = [path.stem for path in RECORDED]
    for part in ("1.0", "1.1", "1.2", "1.3", "1.4", "mctp", "pci-doe", "psk", "mutual", "chunks"):
        assert any(part in stem for stem in stems), part


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_everything_that_was_signed_holds(path: Path) -> None:
    trace = open_capture(path, verify=True)
    seen: Counter[str] = Counter()
    for record in trace:
        assert not record.problems, record.summary()
        assert not [note for note in record.notes if "not checked" in note]
        for check in record.checks:
            assert check.ok, check.explain()
            seen[check.check] += 1
    finished = seen["FINISH RequesterVerifyData"]
    assert finished == seen["KEY_EXCHANGE_RSP signature"]
    assert finished == seen["KEY_EXCHANGE_RSP ResponderVerifyData"] + seen["FINISH_RSP ResponderVerifyData"]
    for evidence in trace.evidence():
        assert evidence.verify(evidence.certificates[:1], at=AT).holds
