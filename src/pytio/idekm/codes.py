"""Every number of IDE_KM, once.

Document: PCIe Base 6.x chapter 6, "IDE Key Management (IDE_KM)". This file knows no layout and no rule; the numbers of
the IDE registers that QUERY_RESP carries are in `pytio.ide_registers`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from pytio.wire import OpenEnum

__all__ = (
    "AES_KEY_BYTES",
    "INITIAL_INVOCATION_FIELD",
    "PROTOCOL_ID",
    "KpAckStatus",
    "ObjectId",
)

PROTOCOL_ID: Final = 0x00
"""The byte before every IDE_KM object in PCI-SIG's vendor-defined SPDM messages."""
AES_KEY_BYTES: Final = 32
"""Keys have 256 bits."""
INITIAL_INVOCATION_FIELD: Final = 1
"""Where every fresh key starts counting; it is the low 64 bits of the AES-GCM IV."""


class ObjectId(IntEnum):
    """The first byte of every IDE_KM object."""

    QUERY = 0x00
    QUERY_RESP = 0x01
    KEY_PROG = 0x02
    KP_ACK = 0x03
    K_SET_GO = 0x04
    K_SET_STOP = 0x05
    K_GOSTOP_ACK = 0x06


class KpAckStatus(OpenEnum):
    """What KP_ACK says about the key."""

    SUCCESS = 0
    INCORRECT_LENGTH = 1
    UNSUPPORTED_PORT_INDEX = 2
    #: A value in any other field: stream, sub-stream, direction, key set.
    UNSUPPORTED_VALUE = 3
    UNSPECIFIED_FAILURE = 4
