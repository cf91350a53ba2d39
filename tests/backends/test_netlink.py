"""Generic netlink: the running kernel's own, and evidence from a kernel that has it."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from pytio.backends.netlink import (
    CONTROL_FAMILY,
    Attribute,
    GenericMessage,
    Netlink,
    NetlinkMessage,
    open_netlink,
    split_messages,
)
from pytio.backends.tsm_netlink import EvidenceType, read_evidence
from pytio.errors import (
    BackendBusyError,
    BackendError,
    BackendGoneError,
    BackendPermissionError,
    BackendRefusedError,
    BackendUnavailableError,
    DecodeError,
)
from pytio.ids import Bdf

DEVICE = Bdf.parse("0000:e1:00.0")
FAMILY = 0x1C
MULTI = 2
DONE = 3
ERROR = 2

Answers = list[tuple[int, bytes]]


def u32(value: int) -> bytes:
    return value.to_bytes(4, "little", signed=value < 0)


def said(*attributes: tuple[int, bytes]) -> bytes:
    return GenericMessage(
        command=1, attributes=tuple(Attribute(type=kind, payload=payload) for kind, payload in attributes)
    ).build()


class Kernel:
    """A kernel that has the family: it answers its name, and what a test makes of the dump."""

    def __init__(self, dump: Callable[[NetlinkMessage], Answers]) -> None:
        self.dump = dump
        self.asked: list[NetlinkMessage] = []
        self._waiting: list[bytes] = []

    def send(self, data: bytes) -> int:
        [request] = split_messages(data)
        self.asked.append(request)
        if request.type == CONTROL_FAMILY:
            answers: Answers = [(CONTROL_FAMILY, said((2, b"pci-tsm\0"), (1, FAMILY.to_bytes(2, "little"))))]
        else:
            answers = self.dump(request)
        flags = 0 if request.type == CONTROL_FAMILY else MULTI
        for kind, payload in answers:
            message = NetlinkMessage(type=kind, flags=flags, sequence=request.sequence, payload=payload)
            self._waiting.append(message.build())
        return len(data)

    def recv(self, size: int) -> bytes:
        return self._waiting.pop(0)

    def close(self) -> None: ...


def refusing(number: int) -> Kernel:
    return Kernel(lambda request: [(ERROR, u32(-number) + bytes(16))])


def test_the_running_kernel_names_its_families() -> None:
    with open_netlink() as netlink:
        assert netlink.family("nlctrl") == CONTROL_FAMILY


def test_a_family_that_the_running_kernel_does_not_have() -> None:
    with open_netlink() as netlink:
        with pytest.raises(BackendUnavailableError, match="no netlink family no-such-thing"):
            netlink.family("no-such-thing")
        assert netlink.family("nlctrl") == CONTROL_FAMILY  # the socket is still of use


def test_evidence_comes_in_pieces() -> None:
    def dump(request: NetlinkMessage) -> Answers:
        return [
            (FAMILY, said((1, u32(0)), (6, b"certi"))),
            (FAMILY, said((6, b"ficate"))),
            (FAMILY, said((1, u32(9)), (6, b""))),
            (FAMILY, said((1, u32(10)), (6, b"report"))),
            (DONE, u32(0)),
        ]

    kernel = Kernel(dump)
    found = read_evidence(Netlink(kernel), DEVICE)
    assert found == {EvidenceType.CERTIFICATES_0: b"certificate", EvidenceType.REPORT: b"report"}
    question = GenericMessage.parse(kernel.asked[1].payload)
    assert [(one.type, one.payload) for one in question.attributes] == [(2, u32(0x7FF)), (4, b"0000:e1:00.0\0")]
    assert kernel.asked[1].flags & 0x300 == 0x300


def test_evidence_that_changes_is_read_again() -> None:
    answers = [[(DONE, u32(-errno.EAGAIN))], [(FAMILY, said((1, u32(9)), (6, b"m"))), (DONE, u32(0))]]
    kernel = Kernel(lambda request: answers.pop(0))
    assert read_evidence(Netlink(kernel), DEVICE, [EvidenceType.MEASUREMENTS]) == {EvidenceType.MEASUREMENTS: b"m"}


def test_evidence_that_goes_on_changing() -> None:
    kernel = refusing(errno.EAGAIN)
    with pytest.raises(BackendBusyError, match="changed while it was read"):
        read_evidence(Netlink(kernel), DEVICE)
    assert len(kernel.asked) == 5


@pytest.mark.parametrize(
    ("number", "kind", "hint"),
    [
        (errno.EPERM, BackendPermissionError, "run as root"),
        (errno.EINVAL, BackendRefusedError, "LINUX_U4"),
        (errno.ENODEV, BackendGoneError, "check the address"),
        (errno.ENXIO, BackendUnavailableError, "pytio tsm connect"),
        (errno.EOPNOTSUPP, BackendUnavailableError, "without a nonce"),
        (errno.EINTR, BackendError, "not repeated"),
    ],
)
def test_refusals(number: int, kind: type[BackendError], hint: str) -> None:
    with pytest.raises(BackendError, match=hint) as caught:
        read_evidence(Netlink(refusing(number)), DEVICE)
    assert type(caught.value) is kind


@pytest.mark.parametrize("first", [said((6, b"x")), said((1, u32(11)), (6, b"x"))], ids=["no type", "unknown type"])
def test_answers_that_make_no_sense(first: bytes) -> None:
    with pytest.raises(DecodeError, match=r"without a type|not an EvidenceType"):
        read_evidence(Netlink(Kernel(lambda request: [(FAMILY, first), (DONE, u32(0))])), DEVICE)


def test_attributes_are_padded() -> None:
    raw = Attribute(type=2, payload=b"nlctrl\0").build()
    assert raw.hex(" ") == "0b 00 02 00 6e 6c 63 74 72 6c 00 00"
    assert Attribute.parse(raw).payload == b"nlctrl\0"
    with pytest.raises(DecodeError):
        list(split_messages(NetlinkMessage(type=1).build()[:-1]))


@pytest.mark.parametrize("length", [0, 15, 17, 1 << 31])
def test_a_length_that_is_none(length: int) -> None:
    raw = u32(length if length < 1 << 31 else -(1 << 31)) + bytes(12)
    with pytest.raises(DecodeError):
        list(split_messages(raw))
