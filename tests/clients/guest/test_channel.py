"""The sequence rules, one by one: no number carries two messages, and a key that nobody can be sure of is given up."""

from __future__ import annotations

from typing import Any

import pytest

from pytio.clients.guest import Channel
from pytio.clients.guest.actions import Request, RequestReply
from pytio.crypto import Secret
from pytio.errors import (
    BackendBusyError,
    BackendError,
    LocalProtocolError,
    PytioError,
    RemoteProtocolError,
    SevCommandError,
    VerificationError,
)
from pytio.sev.codes import HypervisorError, SevStatus
from pytio.sev.ghcb import RequestResult
from pytio.sev.guest_envelope import LAST_SEQUENCE, GuestMessage, SecretsPage
from pytio.sev.guest_messages import TdiInfoReq, TdiInfoRsp
from pytio.sev.tio_codes import GuestMessageType, MeasurementFlags
from tests.clients.guest.fake import KEY, FakeFirmware, busy, sha384

GOLDEN = bytes.fromhex(
    "aa747654bf2b8b34aab9432baefe8ed800000000000000000000000000000000"
    "0100000000000000000000000000000001016000130110000000000000000000"
    "0000000000000000000000000000000000000000000000000000000000000000"
    "e22d823fa4afec074a0405c33cc188cb"
)
REQ, RSP = GuestMessageType.TIO_TDI_INFO_REQ, GuestMessageType.TIO_TDI_INFO_RSP
PAYLOAD = TdiInfoReq(guest_device_id=0x100).build()


def ask(channel: Channel, **more: Any) -> Any:
    return channel.exchange(REQ, RSP, PAYLOAD, version=1, rcx=0x100, **more)


def test_the_golden_request() -> None:
    firmware = FakeFirmware()
    firmware.run(ask(firmware.channel()))
    [request] = firmware.requests
    assert request.page[: len(GOLDEN)] == GOLDEN
    assert len(request.page) == 4096
    assert not any(request.page[len(GOLDEN) :])


def test_the_golden_request_of_r1_differs_in_type_and_tag() -> None:
    firmware = FakeFirmware()
    plan = firmware.channel().exchange(0x81, 0x01, PAYLOAD, version=1, rcx=0x100)
    page = next(plan).page  # type: ignore[union-attr]
    assert page[:16].hex() == "c4da7e4a9a173d6a543b86c1f14950c8"
    assert page[0x34] == 0x81
    plan.close()


def test_a_golden_answer_is_opened() -> None:
    answer = TdiInfoRsp(
        guest_device_id=0x100,
        meas_flags=MeasurementFlags.MEAS_DIGEST_VALID,
        status=0,  # type: ignore[arg-type]
        certs_digest=sha384(b"certs"),
        meas_digest=sha384(b"meas"),
        interface_report_digest=sha384(b"report"),
        tdi_report_count=1,
    )
    algos = bytes.fromhex("0101020100000000")
    firmware = FakeFirmware()
    firmware._answer = lambda sealed, raw: ("TIO_TDI_INFO", answer.build().replace(bytes(8), algos, 1))  # type: ignore[method-assign]
    opened, _ = firmware.run(ask(firmware.channel()))
    assert TdiInfoRsp.parse(opened).meas_digest == sha384(b"meas")


def test_numbers_are_odd_then_even_and_grow_by_two() -> None:
    firmware = FakeFirmware()
    channel = firmware.channel()
    for number in (1, 3, 5):
        firmware.run(ask(channel))
        assert GuestMessage.parse_prefix(firmware.requests[-1].page)[0].msg_seqno == number
    assert channel.sequence == firmware.counted == 6


def test_while_the_hypervisor_is_busy_the_same_bytes_are_sent_again() -> None:
    firmware = FakeFirmware()
    firmware.replies = [busy(), busy(), busy()]
    channel = firmware.channel()
    firmware.run(ask(channel))
    assert len(firmware.requests) == 4
    assert len(set(firmware.requests)) == 1
    assert firmware.waits == [2.0] * 3
    assert channel.sequence == 2


def test_a_minute_of_it_is_enough() -> None:
    firmware = FakeFirmware()
    firmware.replies = [busy() for _ in range(100)]
    channel = firmware.channel()
    with pytest.raises(BackendBusyError, match="busy for 60 s"):
        firmware.run(ask(channel))
    assert sum(firmware.waits) == 60
    assert not channel.is_usable


def test_a_larger_data_area_carries_the_same_page() -> None:
    firmware = FakeFirmware()
    firmware.replies = [RequestReply(RequestResult(vmm_err=HypervisorError.INVALID_LEN), rbx=11)]
    channel = firmware.channel()
    firmware.run(ask(channel, data_pages=8, data=b"nonce"))
    first, second = firmware.requests
    assert (first.data_pages, second.data_pages) == (8, 11)
    assert first.page == second.page
    assert second.data == b"nonce"


@pytest.mark.parametrize("pages", [0, 8, 257, 1 << 40])
def test_an_area_that_makes_no_sense_costs_the_key(pages: int) -> None:
    firmware = FakeFirmware()
    firmware.replies = [RequestReply(RequestResult(vmm_err=HypervisorError.INVALID_LEN), rbx=pages)]
    channel = firmware.channel()
    with pytest.raises(RemoteProtocolError, match="INVALID_LEN"):
        firmware.run(ask(channel, data_pages=8))
    assert not channel.is_usable


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (RequestReply(RequestResult(fw_err=SevStatus.BAD_SIGNATURE)), SevCommandError),
        (RequestReply(RequestResult(fw_err=SevStatus.SPDM_ERROR)), SevCommandError),
        (RequestReply(RequestResult(vmm_err=HypervisorError.GENERIC)), RemoteProtocolError),
        (RequestReply(RequestResult(vmm_err=HypervisorError(7))), RemoteProtocolError),
        (RequestReply(RequestResult(), b""), RemoteProtocolError),
        (RequestReply(RequestResult(), bytes(4096)), RemoteProtocolError),
        (BackendError("test", "the exit failed"), BackendError),
    ],
)
def test_whatever_leaves_the_count_unknown_costs_the_key(
    reply: RequestReply | Exception, error: type[PytioError]
) -> None:
    firmware = FakeFirmware()
    firmware.replies = [reply]
    channel = firmware.channel()
    with pytest.raises(error):
        firmware.run(ask(channel))
    assert not channel.is_usable
    before = len(firmware.requests)
    with pytest.raises(LocalProtocolError, match="VMPCK0 was given up"):
        firmware.run(ask(channel))
    assert len(firmware.requests) == before


@pytest.mark.parametrize(
    "change",
    [
        {"msg_seqno": 1},
        {"msg_seqno": 3},
        {"msg_seqno": 2 + (1 << 32)},
        {"msg_type": int(REQ)},
        {"msg_type": int(GuestMessageType.TIO_SDTE_WRITE_RSP)},
        {"msg_version": 2},
        {"msg_vmpck": 1},
        {"algo": 2},
        {"hdr_version": 2},
        {"hdr_size": 0x40},
    ],
    ids=str,
)
def test_an_answer_to_something_else(change: dict[str, int]) -> None:
    firmware = FakeFirmware()
    firmware.tamper = lambda message: message.replace(**change)
    channel = firmware.channel()
    with pytest.raises(RemoteProtocolError, match=next(iter(change))):
        firmware.run(ask(channel))
    assert not channel.is_usable


@pytest.mark.parametrize("at", [0, 0x36, 0x38, 0x3D, 0x60, 0x100])
def test_an_answer_that_somebody_touched(at: int) -> None:
    firmware = FakeFirmware()

    def touch(message: GuestMessage) -> bytes:
        raw = bytearray(message.build())
        raw[at] ^= 1
        return bytes(raw)

    firmware.tamper = touch
    channel = firmware.channel()
    with pytest.raises((VerificationError, RemoteProtocolError)):
        firmware.run(ask(channel))
    assert not channel.is_usable


def test_an_answer_that_is_too_long() -> None:
    firmware = FakeFirmware()
    firmware.tamper = lambda message: message.replace(msg_size=3985, payload=bytes(3985))
    with pytest.raises(RemoteProtocolError, match="too long"):
        firmware.run(ask(firmware.channel()))


def test_a_plan_that_is_closed_half_way_costs_the_key() -> None:
    channel = FakeFirmware().channel()
    plan = ask(channel)
    assert isinstance(next(plan), Request)
    with pytest.raises(LocalProtocolError, match="a message is under way"):
        next(ask(channel))
    plan.close()
    assert not channel.is_usable


def test_numbers_end_before_they_wrap() -> None:
    last = LAST_SEQUENCE - 3  # its request has the last odd number below the end
    firmware = FakeFirmware()
    firmware.counted = last
    channel = firmware.channel(last)
    firmware.run(ask(channel))
    assert channel.sequence == LAST_SEQUENCE - 1
    with pytest.raises(LocalProtocolError, match="used up"):
        firmware.run(ask(channel))
    assert len(firmware.requests) == 1
    assert channel.is_usable  # nothing was sent, so nothing is unknown


def test_the_secrets_page_gives_and_keeps() -> None:
    keys: dict[str, Any] = {f"vmpck{number}": bytes([number + 1]) * 32 for number in range(4)}
    secrets = SecretsPage(**keys, msg_seqno=(4, 0, 8, 0))
    firmware = FakeFirmware(key=bytes([3]) * 32)
    firmware.counted = 8
    channel = Channel.from_secrets(secrets, 2)
    firmware.run(ask(channel))
    kept = channel.store(secrets)
    assert kept.msg_seqno == (4, 0, 10, 0)
    assert kept.vmpck2 == secrets.vmpck2
    again = Channel.from_secrets(kept, 2)  # the next one goes on where this one ended
    firmware.run(ask(again))
    again.give_up()
    zeroed = again.store(kept)
    assert not any(zeroed.vmpck2)
    assert zeroed.vmpck0 == secrets.vmpck0
    with pytest.raises(ValueError, match="all zeros"):
        Channel.from_secrets(zeroed, 2)


@pytest.mark.parametrize(("vmpck", "sequence"), [(4, 0), (-1, 0), (0, 1), (0, -2), (0, 1 << 33)])
def test_what_is_no_channel(vmpck: int, sequence: int) -> None:
    with pytest.raises(ValueError, match=r"does not exist|not the number of a response"):
        Channel(Secret(KEY), vmpck, sequence)
    secrets = SecretsPage(vmpck0=KEY, vmpck1=KEY, vmpck2=KEY, vmpck3=KEY)
    if not 0 <= vmpck < 4:
        with pytest.raises(ValueError, match="does not exist"):
            Channel.from_secrets(secrets, vmpck)


def test_no_key_shows() -> None:
    channel = FakeFirmware().channel()
    assert KEY.hex() not in repr(channel)
    assert repr(channel) == "<Channel VMPCK0, 0>"
    channel.give_up()
    assert repr(channel) == "<Channel VMPCK0, 0, given up>"
