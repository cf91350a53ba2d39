"""Evidence over generic netlink, family ``pci-tsm``: what kernels have that give a device's evidence (`LINUX_U4`).

Facts: Documentation/netlink/specs/pci-tsm.yaml of the development tree of 2026. One command, a dump: each object
starts with its type and goes on over as many messages as it needs. It needs CAP_NET_ADMIN.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from enum import IntEnum
from typing import Final

from pytio.backends.errnos import Meaning, Meanings
from pytio.backends.netlink import Attribute, GenericMessage, Netlink
from pytio.errors import (
    BackendBusyError,
    BackendGoneError,
    BackendPermissionError,
    BackendRefusedError,
    BackendUnavailableError,
    DecodeError,
)
from pytio.ids import Bdf

__all__ = ("FAMILY", "EvidenceType", "read_evidence")

FAMILY: Final = "pci-tsm"
"""The family's name."""
_EVIDENCE_READ: Final = 1
_TYPE: Final = 1
_TYPE_MASK: Final = 2
_DEVICE_NAME: Final = 4
_VALUE: Final = 6
_ATTEMPTS: Final = 4
_U32_BYTES: Final = 4

_MEANINGS: Final[Meanings] = {
    errno.EPERM: Meaning(BackendPermissionError, "evidence is for CAP_NET_ADMIN", "run as root"),
    errno.EINVAL: Meaning(
        BackendRefusedError,
        "the kernel does not know such a request",
        "its interface may have changed since (LINUX_U4)",
    ),
    errno.ENODEV: Meaning(BackendGoneError, "there is no such device", "check the address"),
    errno.ENXIO: Meaning(
        BackendUnavailableError, "no TSM has evidence of this device", "connect it first: pytio tsm connect"
    ),
    errno.EAGAIN: Meaning(BackendBusyError, "the evidence changed while it was read", "read it again"),
    errno.EOPNOTSUPP: Meaning(
        BackendUnavailableError, "this kernel cannot refresh evidence", "ask for what there is, without a nonce"
    ),
}


class EvidenceType(IntEnum):
    """The objects there are."""

    CERTIFICATES_0 = 0
    CERTIFICATES_1 = 1
    CERTIFICATES_2 = 2
    CERTIFICATES_3 = 3
    CERTIFICATES_4 = 4
    CERTIFICATES_5 = 5
    CERTIFICATES_6 = 6
    CERTIFICATES_7 = 7
    VCA = 8
    """Versions, capabilities and algorithms, as they were negotiated."""
    MEASUREMENTS = 9
    REPORT = 10
    """The TDISP interface report."""


def read_evidence(
    netlink: Netlink, device: Bdf, types: Iterable[EvidenceType] = tuple(EvidenceType)
) -> dict[EvidenceType, bytes]:
    """Read a device's evidence; an object that there is not is left out. Starts anew where it changes meanwhile.

    Raises:
        BackendUnavailableError: this kernel has no such family, or no TSM has evidence of the device.
        BackendPermissionError: CAP_NET_ADMIN is missing.
        BackendBusyError: it went on changing.
        DecodeError: the kernel's answer is malformed.
    """
    family = netlink.family(FAMILY)
    mask = sum(1 << kind for kind in set(types))
    question = GenericMessage(
        command=_EVIDENCE_READ,
        attributes=(
            Attribute(type=_TYPE_MASK, payload=mask.to_bytes(_U32_BYTES, "little")),
            Attribute(type=_DEVICE_NAME, payload=str(device).encode() + b"\0"),
        ),
    )
    for attempt in range(_ATTEMPTS):
        try:
            return _objects(netlink, family, question)
        except BackendBusyError:
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError  # the loop returns or raises


def _objects(netlink: Netlink, family: int, question: GenericMessage) -> dict[EvidenceType, bytes]:
    found: dict[EvidenceType, bytearray] = {}
    current: EvidenceType | None = None
    for answer in netlink.ask(family, question, is_dump=True, meanings=_MEANINGS):
        for attribute in answer.attributes:
            if attribute.type == _TYPE:
                current = _type(attribute.payload)
                found[current] = bytearray()
            elif attribute.type == _VALUE:
                if current is None:
                    raise DecodeError("a value without a type", answer.build(), 0, "GenericMessage.attributes")
                found[current] += attribute.payload
    return {kind: bytes(value) for kind, value in found.items() if value}


def _type(payload: bytes) -> EvidenceType:
    number = int.from_bytes(payload, "little")
    try:
        return EvidenceType(number)
    except ValueError as error:
        raise DecodeError(f"{number} is not an EvidenceType", payload, 0, "Attribute.payload") from error
