"""Ports: which stream a TLP goes on, what must not go in clear, and what a port makes of what belongs to no stream."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from pytio import ide
from pytio.errors import IdeDecodeError, LocalProtocolError
from pytio.ide import AerBit, IdeError, Port, StreamKind, StreamState, Tlp
from pytio.ide.transmitter import ide_message
from pytio.ids import Direction
from tests.ide.links import ENDPOINT_ID, ROOT_PORT_ID, SUB_STREAMS, configs, deliver, drain, errors, received, slots

pytestmark = pytest.mark.usefixtures("on_provider")

WRITE = ide.memory_write(0x1000, bytes(8), requester_id=ROOT_PORT_ID)


def connected(**streams: dict[str, Any]) -> tuple[Port, Port]:
    """Return endpoint and root port with a stream for each name, which is its id in hex after an ``s``."""
    ends = (Port(), Port())
    for name, changes in streams.items():
        pair = configs(stream_id=int(name[1:], 16), **changes)
        made = [port.add(config) for port, config in zip(ends, pair, strict=True)]
        for number, sub_stream in enumerate(SUB_STREAMS):
            for sender, receiver in (made, made[::-1]):
                key = bytes([number, int(name[1:], 16), made.index(sender)]).ljust(32, b"k")
                sender.program(slots(0, Direction.TX)[number], key)
                receiver.program(slots(0, Direction.RX)[number], key)
                sender.go(slots(0, Direction.TX)[number])
                receiver.go(slots(0, Direction.RX)[number])
            assert sub_stream is slots(0, Direction.TX)[number].sub_stream
        for stream in made:
            stream.enable()
            assert stream.state is StreamState.SECURE
    return ends


def stream_ids(port: Port) -> list[int | None]:
    found = [Tlp.parse(message).ide for message in drain(port)]
    return [None if said is None else said.stream_id for said in found]


def test_an_address_finds_its_stream_then_the_default_then_the_link() -> None:
    megabyte = ide.AddressRange(0x10_0000, 0x1F_FFFF)
    _, port = connected(
        s1={"address_ranges": (megabyte,), "default_stream": False},
        s2={"default_stream": True},
        s3={"kind": StreamKind.LINK},
    )
    for address in (0x10_0000, 0x1F_FFFC, 0x20_0000):
        port.send(ide.memory_write(address, bytes(4)))
    assert stream_ids(port) == [1, 1, 2]
    port.streams[2].disable()
    port.send(ide.memory_write(0x20_0000, bytes(4)))
    assert stream_ids(port) == [3]
    port.streams[3].disable()
    port.send(ide.memory_write(0x20_0000, bytes(4)))
    assert stream_ids(port) == [None]


def test_what_goes_by_id_finds_the_range_of_its_destination() -> None:
    _, port = connected(s1={"rid_range": ide.RidRange(0x0100, 0x01FF)}, s2={"rid_range": ide.RidRange(0x0200, 0x02FF)})
    for bus in (1, 2):
        config = ide.ConfigurationRequest(
            tlp_type=ide.TlpType.CFGRD1, destination_id=bus << 8, requester_id=ROOT_PORT_ID, tag=bus, length=1
        )
        port.send(Tlp(header=config))
        message = ide.MessageRequest(
            tlp_type=ide.TlpType.MSG_BY_ID,
            message_code=ide.MessageCode.PM_PME,
            specific=bytes([bus]) + bytes(7),
        )
        port.send(Tlp(header=message))
    assert stream_ids(port) == [1, 1, 2, 2]


def test_configuration_requests_need_bit_9() -> None:
    _, port = connected(s1={"default_stream": False})
    port.streams[1].config = attrs.evolve(port.streams[1].config, config_requests=False)
    config = ide.ConfigurationRequest(tlp_type=ide.TlpType.CFGRD1, destination_id=0x0100, length=1)
    port.send(Tlp(header=config))
    assert stream_ids(port) == [None]


def test_another_traffic_class_is_not_the_streams() -> None:
    _, port = connected(s1={"default_stream": True})
    write = WRITE.replace(header=WRITE.header.replace(traffic_class=3))
    port.send(write)
    assert stream_ids(port) == [None]


def test_a_tee_limited_stream_takes_only_what_has_t() -> None:
    port, _ = connected(s1={"default_stream": True, "tee_limited": True})
    port.send(WRITE)
    port.send(WRITE, tee=True)
    assert stream_ids(port) == [None, 1]


def test_what_comes_from_a_trusted_environment_never_goes_in_clear() -> None:
    port, _ = connected(s1={"default_stream": True})
    port.streams[1].happen(ide.StreamCause.LINK_DOWN)
    port.send(WRITE)
    with pytest.raises(LocalProtocolError, match="would go in clear"):
        port.send(WRITE, tee=True)
    assert stream_ids(port) == [None]
    with pytest.raises(LocalProtocolError, match="MWR32 is illegal in state no stream"):
        Port().send(WRITE, tee=True)


@pytest.mark.parametrize("tee", [False, True])
def test_a_completion_goes_where_its_request_came_from_with_its_t(tee: bool) -> None:
    endpoint, root_port = connected(s1={"default_stream": True}, s2={"default_stream": False})
    read = ide.memory_read(0x1000, 8, requester_id=ENDPOINT_ID, tag=3)
    endpoint.send(read, tee=tee)
    deliver(root_port, drain(endpoint))
    root_port.send(ide.completion(read, bytes(8), completer_id=ROOT_PORT_ID))
    wire = drain(root_port)
    assert [Tlp.parse(message).ide.stream_id for message in wire] == [1]  # type: ignore[union-attr]
    ((tlp, is_tee),) = received(deliver(endpoint, wire))
    assert (tlp.payload, is_tee) == (bytes(8), tee)
    assert len(endpoint.outstanding) == 0


def test_a_completion_on_another_stream_makes_that_stream_fail() -> None:
    endpoint, root_port = connected(s1={"default_stream": True}, s2={"default_stream": False})
    read = ide.memory_read(0x1000, 8, requester_id=ENDPOINT_ID, tag=3)
    endpoint.send(read)
    deliver(root_port, drain(endpoint))
    root_port.streams[2].send(ide.completion(read, bytes(8), completer_id=ROOT_PORT_ID))
    events = deliver(endpoint, drain(root_port))
    assert errors(events) == [IdeError.COMPLETION_STREAM_MISMATCH]
    assert endpoint.streams[2].state is StreamState.INSECURE
    assert endpoint.streams[1].state is StreamState.SECURE
    assert endpoint.aer_status == 1 << AerBit.IDE_CHECK_FAILED


def test_a_completion_in_clear_for_what_went_on_a_stream_makes_that_stream_fail() -> None:
    endpoint, root_port = connected(s1={"default_stream": True})
    read = ide.memory_read(0x1000, 8, requester_id=ENDPOINT_ID, tag=3)
    endpoint.send(read)
    forged = ide.completion(read, bytes(8), completer_id=ROOT_PORT_ID).build()
    drain(endpoint)
    assert errors(endpoint.receive(forged)) == [IdeError.COMPLETION_STREAM_MISMATCH]
    assert endpoint.streams[1].state is StreamState.INSECURE
    (fail,) = drain(endpoint)
    root_port.receive(fail)
    assert root_port.streams[1].received_fail


def test_requests_in_clear_have_tags_too() -> None:
    port = Port()
    read = ide.memory_read(0x1000, 8, requester_id=ENDPOINT_ID, tag=3)
    port.send(read)
    with pytest.raises(LocalProtocolError, match="tag is taken"):
        port.send(read)
    answer = ide.completion(read, bytes(8))
    assert received(port.receive(answer.build())) == [(answer, False)]
    assert errors(port.receive(answer.build())) == [IdeError.UNEXPECTED_COMPLETION]


def test_an_ide_tlp_of_no_stream_is_misrouted() -> None:
    endpoint, root_port = connected(s1={"default_stream": True})
    root_port.send(WRITE)
    (raw,) = drain(root_port)
    assert errors(Port().receive(raw)) == [IdeError.MISROUTED]
    endpoint.streams[1].disable()
    assert errors(endpoint.receive(raw)) == [IdeError.MISROUTED]
    assert endpoint.aer_status == 1 << AerBit.MISROUTED_IDE_TLP


def test_a_failure_of_an_unknown_stream_says_nothing() -> None:
    fail = ide_message(configs()[0], ide.MessageCode.IDE_FAIL).build()
    assert Port().receive(fail) == []
    assert received(Port().receive(WRITE.build())) == [(WRITE, False)]


def test_streams_of_a_port_have_ids_and_a_mode() -> None:
    port = Port(configs()[:1])
    with pytest.raises(ValueError, match="there already"):
        port.add(configs()[0])
    with pytest.raises(ValueError, match="one mode"):
        port.add(configs(stream_id=2, flit_mode=True)[0])
    with pytest.raises(IdeDecodeError):
        port.receive(b"")
    assert port.wake_at() is None
    assert port.wake(0.0) == []


def test_whoever_sends_may_name_the_stream() -> None:
    """Tables of the platform name it where no register does: without them T=1 stays at home."""
    _, port = connected(s1={"default_stream": False}, s2={"default_stream": False})
    with pytest.raises(LocalProtocolError, match="would go in clear"):
        port.send(WRITE, tee=True)
    port.send(WRITE, tee=True, on=2)
    port.send(WRITE)
    assert stream_ids(port) == [2, None]
    for absent in (7, 1):
        port.streams[1].disable()
        with pytest.raises(LocalProtocolError):
            port.send(WRITE, tee=True, on=absent)
    assert stream_ids(port) == []


def test_registers_are_sampled_again_before_a_stream_is_enabled() -> None:
    """A stream that got its keys first takes its configuration when it is enabled, and keeps the keys."""
    fresh = Port()
    pair = configs(stream_id=1)
    stream = fresh.add(pair[0])
    for number, direction in enumerate(Direction):
        for slot in slots(0, direction):
            stream.program(slot, bytes([number, slot.sub_stream]).ljust(32, b"k"))
            stream.go(slot)
    changed = attrs.evolve(pair[0], pcrc=True, default_stream=True)
    stream.configure(changed)
    stream.enable()
    assert stream.state is StreamState.SECURE
    fresh.send(WRITE, tee=True)
    assert Tlp.parse(drain(fresh)[0]).pcrc
    with pytest.raises(LocalProtocolError, match="sampled when it was enabled"):
        stream.configure(pair[0])
    stream.disable()
    for other in (attrs.evolve(changed, stream_id=2), attrs.evolve(changed, flit_mode=True)):
        with pytest.raises(ValueError, match="not a configuration of stream 1"):
            stream.configure(other)


def test_a_completion_that_begins_inside_a_dword_is_not_the_last_of_its_request() -> None:
    """Byte Count is what is left, and the first bytes of the first dword are none of it."""
    port = Port()
    port.send(ide.memory_read(0x100, 8, requester_id=ENDPOINT_ID, tag=3, first_dw_be=0b1000, last_dw_be=0b0111))
    drain(port)
    request = ide.memory_read(0x100, 8, requester_id=ENDPOINT_ID, tag=3)
    first = ide.completion(request, bytes(4))
    first = first.replace(header=first.header.replace(byte_count=4, lower_address=3))
    last = first.replace(header=first.header.replace(byte_count=3, lower_address=4))
    for tlp in (first, last):
        assert port.outstanding.is_taken((ENDPOINT_ID, 3))
        assert errors(port.receive(tlp.build())) == []
    assert not port.outstanding.is_taken((ENDPOINT_ID, 3))
