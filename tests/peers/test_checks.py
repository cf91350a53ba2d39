"""Who only listens finds nothing wrong with any recorded conversation: signatures, verify data, records."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from pytio.capture import Record, open_capture
from tests.peers.recording import SESSIONS

FILES = sorted(SESSIONS.glob("*.pcapng"))


@cache
def listened(path: Path) -> tuple[Record, ...]:
    return tuple(open_capture(path, verify=True))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_everything_opens_and_every_check_holds(path: Path) -> None:
    for record in listened(path):
        assert not record.problems
        assert all(check.ok for check in record.checks)
        assert all(layer.facts.get("decrypted", True) for layer in record.layers)


def test_every_kind_of_check_is_among_them() -> None:
    kinds = Counter(check.check for path in FILES for record in listened(path) for check in record.checks)
    assert set(kinds) == {
        *("CHALLENGE_AUTH signature", "MEASUREMENTS signature", "ENDPOINT_INFO signature"),
        *("KEY_EXCHANGE_RSP signature", "KEY_EXCHANGE_RSP ResponderVerifyData"),
        *("FINISH signature", "FINISH RequesterVerifyData", "FINISH_RSP ResponderVerifyData"),
        *("PSK_EXCHANGE_RSP ResponderVerifyData", "PSK_FINISH RequesterVerifyData"),
    }
    assert sum(kinds.values()) > 600
