"""The wire: order, taps, filters, ends that answer while they receive, and a link that goes down."""

from __future__ import annotations

from collections.abc import Callable

from pytio.mock.link import Link, LinkDirection, LinkEvent


class End:
    """Keeps what arrives, and may answer."""

    def __init__(self, answer: Callable[[bytes], None] = lambda raw: None) -> None:
        self.received: list[bytes] = []
        self.answer = answer

    def receive(self, raw: bytes) -> None:
        self.received.append(raw)
        self.answer(raw)


def test_both_directions_keep_their_order() -> None:
    link, port, device = Link(), End(), End()
    link.attach(port, device)
    for each in (b"1", b"2", b"3"):
        link.down(each)
        link.up(each * 2)
    assert device.received == [b"1", b"2", b"3"]
    assert port.received == [b"11", b"22", b"33"]


def test_an_end_may_ask_while_it_receives_and_has_the_answer_when_its_call_returns() -> None:
    link = Link()
    heard: list[str] = []

    def device(raw: bytes) -> None:
        if raw == b"doorbell":
            link.up(b"read")
            heard.append(f"after read: {device_end.received[-1].decode()}")

    def port(raw: bytes) -> None:
        link.down(b"completion")

    device_end = End(device)
    link.attach(End(port), device_end)
    link.down(b"doorbell")
    assert heard == ["after read: completion"]


def test_taps_see_what_arrives_and_filters_decide_what_does() -> None:
    link, device = Link(), End()
    link.attach(downstream=device)
    seen: list[tuple[LinkDirection, bytes]] = []
    link.taps.append(lambda direction, raw: seen.append((direction, raw)))
    link.filters.append(lambda direction, raw: () if raw == b"drop" else (raw, raw) if raw == b"twice" else (raw,))
    link.filters.append(lambda direction, raw: (raw.upper(),))
    for each in (b"one", b"drop", b"twice"):
        link.down(each)
    assert device.received == [b"ONE", b"TWICE", b"TWICE"]
    assert seen == [(LinkDirection.DOWN, raw) for raw in device.received]


def test_nothing_passes_a_link_that_is_down_or_reaches_an_end_that_is_gone() -> None:
    link, device = Link(), End()
    link.attach(downstream=device)
    told: list[LinkEvent] = []
    link.watchers.append(told.append)
    link.set_up(False)
    link.down(b"lost")
    link.set_up(False)
    link.set_up(True)
    link.hot_reset()
    link.down(b"there")
    link.detach(LinkDirection.DOWN)
    link.down(b"lost, too")
    link.up(b"nobody is there")
    assert device.received == [b"there"]
    assert told == [LinkEvent.DOWN, LinkEvent.UP, LinkEvent.HOT_RESET]
