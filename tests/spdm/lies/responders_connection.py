"""How responders lie about versions, capabilities and algorithms, and answer what was not asked (DSP0274)."""

from __future__ import annotations

import pytest

from pytio.errors import RemoteProtocolError
from pytio.spdm.codes import RegistryId, SpdmCode, SpdmVersion
from pytio.spdm.requests import Connect, KeepAlive, ReadDigests
from pytio.spdm.session import Side
from pytio.spdm.state import ConnectionState
from tests.spdm.lies.telling import VENDOR, become, flip, lie, noticed, on_the_wire, put, sealed_so, unconnected
from tests.spdm.test_engine_flows import Echo
from tests.spdm.test_engine_sessions import ready, started

V1_3 = SpdmVersion.V1_3


# messages


@lie
def an_answer_of_another_version() -> None:
    two = ready()
    on_the_wire(two, SpdmCode.DIGESTS, put(0, SpdmVersion.V1_1))
    noticed(two, ReadDigests(), match="SPDMVersion")


@lie
def an_answer_to_another_request() -> None:
    two = ready(heartbeat_period_s=5)
    number = started(two)
    sealed_so(two, SpdmCode.HEARTBEAT_ACK, become("126c0000"))
    noticed(two, KeepAlive(), number)


@lie
def an_answer_in_clear_to_what_was_asked_in_a_session() -> None:
    two = ready()
    number = started(two)
    two.run(ReadDigests())
    answer = two.wire[-1][1]
    two.requester.send(ReadDigests(), session=number, now=two.now)
    with pytest.raises(RemoteProtocolError, match="in clear"):
        two.requester.receive(answer, now=two.now)
    two.settle()


@lie
def an_answer_in_another_session() -> None:
    two = ready()
    number, other = started(two), started(two)
    two.run(ReadDigests())
    record = two.responder.sessions[other].seal(Side.RESPONSE, two.wire[-1][1], two.responder.provider)
    two.requester.send(ReadDigests(), session=number, now=two.now)
    with pytest.raises(RemoteProtocolError):
        two.requester.receive(record, now=two.now, is_secured=True)
    assert list(two.requester.sessions) == [number]


@lie
def an_answer_while_the_requester_waits_to_ask_again() -> None:
    two = ready(of_requester={"busy_retries": 1})
    two.run(ReadDigests())
    answer = two.wire[-1][1]
    two.responder.is_busy = True
    two.requester.send(ReadDigests(), now=two.now)
    request = two.requester.bytes_to_send()
    assert request is not None
    two.responder.receive(request, now=two.now)
    busy = two.responder.bytes_to_send()
    assert busy is not None
    two.requester.receive(busy, now=two.now)
    with pytest.raises(RemoteProtocolError, match="nothing was asked"):
        two.requester.receive(answer, now=two.now)


@lie
def not_ready_for_another_request() -> None:
    two = ready()
    on_the_wire(two, SpdmCode.DIGESTS, become("127f42000182 01 02"))
    noticed(two, ReadDigests())


@lie
def not_ready_for_half_a_million_years() -> None:
    two = ready()
    on_the_wire(two, SpdmCode.DIGESTS, become("127f42003f81 01 02"))
    noticed(two, ReadDigests())


@lie
def algorithms_that_are_not_ready() -> None:
    two = unconnected()
    on_the_wire(two, SpdmCode.ALGORITHMS, become("127f420001e3 01 02"))
    noticed(two, Connect())


@lie
def another_vendor_answers() -> None:
    two = ready()
    two.responder.register(Echo(), RegistryId.PCI_SIG, b"\x01\x00")
    on_the_wire(two, SpdmCode.VENDOR_DEFINED_RESPONSE, flip(7, 0xFF))
    noticed(two, VENDOR, match="another vendor")


# negotiation


@lie
def capabilities_that_exclude_one_another() -> None:
    two = unconnected()
    on_the_wire(two, SpdmCode.CAPABILITIES, lambda message: put(8, message[8] | 0x18)(message))
    noticed(two, Connect())


@lie
def a_transfer_size_below_the_least() -> None:
    two = unconnected()
    on_the_wire(two, SpdmCode.CAPABILITIES, lambda message: put(13, 0)(put(12, 41)(message)))
    noticed(two, Connect(), match="DataTransferSize 41")


@lie
def a_largest_message_below_the_transfer_size() -> None:
    two = unconnected()
    on_the_wire(two, SpdmCode.CAPABILITIES, lambda message: message[:16] + bytes([64, 0, 0, 0]) + message[20:])
    noticed(two, Connect(), match="MaxSPDMmsgSize 64")


@lie
def algorithms_that_nobody_asked_for() -> None:
    two = unconnected(V1_3)
    on_the_wire(two, SpdmCode.GET_CAPABILITIES, put(2, 1), side="request")
    noticed(two, Connect(), match="not asked for")


@lie
def two_hashes() -> None:
    two = unconnected()
    on_the_wire(two, SpdmCode.ALGORITHMS, lambda message: put(16, message[16] ^ 0x80)(message))
    noticed(two, Connect(), match="BaseHashSel")


@lie
def two_measurement_hashes() -> None:
    two = unconnected()
    on_the_wire(two, SpdmCode.ALGORITHMS, lambda message: put(8, message[8] ^ 0x06)(message))
    noticed(two, Connect(), match="MeasurementHashAlgo")


@lie
def no_aead() -> None:
    two = unconnected()
    aead = bytes.fromhex("0320")

    def without(message: bytes) -> bytes:
        at = message.index(aead, 36)
        return message[: at + 2] + bytes(2) + message[at + 4 :]

    on_the_wire(two, SpdmCode.ALGORITHMS, without)
    noticed(two, Connect(), match="AEAD")


# the requester is in no state to go on with after a lie, but to begin anew


@lie
def once_and_then_the_truth() -> None:
    two = ready()
    on_the_wire(two, SpdmCode.DIGESTS, flip(0))
    noticed(two, ReadDigests())
    with pytest.raises(Exception, match="only Connect"):
        two.requester.receive(two.wire[-1][1], now=two.now)
    two.tap = None
    two.connect()
    assert two.requester.state is ConnectionState.NEGOTIATED
