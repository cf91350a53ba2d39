"""A root port and an endpoint that talk for long: 10^7 TLPs by the buffer, 10^5 one at a time, and nothing fails.

The suite takes a sample; ``make soak`` takes it all, whatever PYTIO_SOAK says of smaller rounds.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from pytio import ide
from pytio.ide import HeaderEncryption, index_of
from pytio.ids import SubStream
from tests.ide.links import ENDPOINT_ID, Link, Traffic, link, reorder_legally
from tests.ide.test_stream import exchange

pytestmark = pytest.mark.usefixtures("on_provider")

AGGREGATED = {SubStream.PR: 8, SubStream.NPR: 2, SubStream.CPL: 4}
POOL = 4096


def pool(seed: int) -> list[bytes]:
    """Return requests of every kind; tags repeat, since batches do not follow them."""
    traffic = Traffic(Random(seed), ENDPOINT_ID, is_root_port=False)
    return [traffic.next().build() for _ in range(POOL)]


@pytest.mark.parametrize("count", [20_000, pytest.param(10_000_000, marks=pytest.mark.soak)])
@pytest.mark.parametrize(
    "changes",
    [{}, {"aggregation": AGGREGATED, "pcrc": True, "header_encryption": HeaderEncryption.ADDRESS_25_2}],
    ids=["plain", "everything"],
)
def test_ten_million_by_the_buffer(count: int, changes: dict[str, Any], request: pytest.FixtureRequest) -> None:
    provider = request.getfixturevalue("on_provider")
    if provider.name == "pure":
        count = min(count, 2000)  # one by one, which the other test is about
    made, tlps, random = link(2, **changes), pool(3), Random(4)
    key_set = left = 0
    while left < count:
        some = random.sample(tlps, random.randint(1, min(2048, count)))
        wire = made.endpoint.send_batch(*index_of(some), tee=bool(random.randrange(2)))
        mixed = reorder_legally(random, list(wire)) if random.random() < 0.01 else None
        data, index = (wire.data, wire.index) if mixed is None else index_of(mixed)
        received = made.root_port.receive_batch(data, index)
        assert not [event for event in received.events if isinstance(event, ide.ErrorDetected)]
        assert received.taken == len(wire)
        assert (list(received) == some) if mixed is None else (sorted(received) == sorted(some))
        left += len(some)
        if random.random() < 0.02 and made.is_settled_one_way(key_set):
            key_set = 1 - key_set
            made.refresh(key_set)


@pytest.mark.parametrize("rounds", [100, pytest.param(10_000, marks=pytest.mark.soak)])
def test_a_hundred_thousand_one_at_a_time(rounds: int) -> None:
    """About six TLPs a round and direction, both directions, completions and refreshes among them."""
    made: Link = link(5, aggregation=AGGREGATED, pcrc=True)
    exchange(made, rounds)
