"""Every number of TLPs, of the IDE prefix and of IDE streams, once.

Document: PCIe Base 6.x chapter 2 (transaction layer) and chapter 6, "Integrity and Data Encryption (IDE)". This file
knows no layout and no rule. Where no public source settles a number, it has a name in `pytio.ide.assumptions`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from pytio.ids import SubStream
from pytio.wire import OpenEnum

__all__ = (
    "BYTES_PER_DW",
    "DATA_BIT",
    "FOUR_DW_BIT",
    "INITIAL_INVOCATION",
    "IV_BYTES",
    "KEY_BYTES",
    "MAC_BYTES",
    "MAX_LENGTH_DW",
    "PCRC_BYTES",
    "SELECTIVE_TYPES",
    "AddressType",
    "AerBit",
    "CompletionStatus",
    "FlitType",
    "IdeError",
    "MessageCode",
    "PrefixType",
    "StreamState",
    "TlpType",
    "Trailer",
    "sub_stream_of",
)

BYTES_PER_DW: Final = 4
"""A dword, in which everything of a TLP is counted."""
MAX_LENGTH_DW: Final = 1024
"""The Length field has 10 bits; zero stands for this."""
KEY_BYTES: Final = 32
"""IDE uses AES-256-GCM."""
IV_BYTES: Final = 12
"""The IV of AES-GCM: a fixed part of 4 bytes and the invocation field of 8."""
MAC_BYTES: Final = 12
"""IDE keeps the first 12 bytes of the tag."""
PCRC_BYTES: Final = 4
"""The CRC over the plaintext payload."""
INITIAL_INVOCATION: Final = 1
"""Where every fresh key starts counting, unless KEY_PROG says otherwise."""
FOUR_DW_BIT: Final = 0x20
"""In the first byte of a TLP: the header has four dwords, not three."""
DATA_BIT: Final = 0x40
"""In the first byte of a TLP: a payload follows."""


class TlpType(IntEnum):
    """Fmt and Type, the first byte of a non-flit TLP: Fmt in bits 7:5, Type in 4:0."""

    MRD32 = 0x00
    MRDLK32 = 0x01
    IORD = 0x02
    CFGRD0 = 0x04
    CFGRD1 = 0x05
    CPL = 0x0A
    CPLLK = 0x0B
    MRD64 = 0x20
    MRDLK64 = 0x21
    MSG_TO_ROOT_COMPLEX = 0x30
    MSG_BY_ADDRESS = 0x31
    MSG_BY_ID = 0x32
    MSG_BROADCAST = 0x33
    MSG_LOCAL = 0x34
    MSG_GATHERED = 0x35
    MWR32 = 0x40
    IOWR = 0x42
    CFGWR0 = 0x44
    CFGWR1 = 0x45
    CPLD = 0x4A
    CPLDLK = 0x4B
    FETCHADD32 = 0x4C
    SWAP32 = 0x4D
    CAS32 = 0x4E
    DMWR32 = 0x5B
    MWR64 = 0x60
    FETCHADD64 = 0x6C
    SWAP64 = 0x6D
    CAS64 = 0x6E
    MSGD_TO_ROOT_COMPLEX = 0x70
    MSGD_BY_ADDRESS = 0x71
    MSGD_BY_ID = 0x72
    MSGD_BROADCAST = 0x73
    MSGD_LOCAL = 0x74
    MSGD_GATHERED = 0x75
    DMWR64 = 0x7B


class FlitType(IntEnum):
    """Type, the first byte of a TLP in flit mode (`PCIE_A30`): the non-flit code but for MRD32 and NOP."""

    NOP = 0x00
    MRDLK32 = 0x01
    IORD = 0x02
    MRD32 = 0x03
    CFGRD0 = 0x04
    CFGRD1 = 0x05
    CPL = 0x0A
    CPLLK = 0x0B
    MRD64 = 0x20
    MRDLK64 = 0x21
    MSG_TO_ROOT_COMPLEX = 0x30
    MSG_BY_ADDRESS = 0x31
    MSG_BY_ID = 0x32
    MSG_BROADCAST = 0x33
    MSG_LOCAL = 0x34
    MSG_GATHERED = 0x35
    MWR32 = 0x40
    IOWR = 0x42
    CFGWR0 = 0x44
    CFGWR1 = 0x45
    CPLD = 0x4A
    CPLDLK = 0x4B
    FETCHADD32 = 0x4C
    SWAP32 = 0x4D
    CAS32 = 0x4E
    DMWR32 = 0x5B
    MWR64 = 0x60
    FETCHADD64 = 0x6C
    SWAP64 = 0x6D
    CAS64 = 0x6E
    MSGD_TO_ROOT_COMPLEX = 0x70
    MSGD_BY_ADDRESS = 0x71
    MSGD_BY_ID = 0x72
    MSGD_BROADCAST = 0x73
    MSGD_LOCAL = 0x74
    MSGD_GATHERED = 0x75
    DMWR64 = 0x7B


_POSTED: Final = ("MWR", "MSG")
_COMPLETION: Final = ("CPL",)
_NOT_SELECTIVE: Final = frozenset({"IORD", "IOWR", "CFGRD0", "CFGWR0", "NOP"})

SELECTIVE_TYPES: Final = frozenset(member.name for member in TlpType if member.name not in _NOT_SELECTIVE)
"""The names of the types that a selective stream carries: neither I/O nor configuration requests of type 0."""


def sub_stream_of(tlp_type: TlpType | FlitType) -> SubStream:
    """Return the sub-stream that a type of TLP belongs to: posted, non-posted or completion."""
    name = tlp_type.name
    if name.startswith(_POSTED):
        return SubStream.PR
    return SubStream.CPL if name.startswith(_COMPLETION) else SubStream.NPR


class PrefixType(OpenEnum):
    """The first byte of a TLP prefix: bits 7:5 are 100; bit 4 tells end-end prefixes from local ones."""

    MR_IOV = 0x80
    FLIT_MODE = 0x8D
    LOCAL_VENDOR_0 = 0x8E
    LOCAL_VENDOR_1 = 0x8F
    EXTENDED_TPH = 0x90
    PASID = 0x91
    IDE = 0x92
    END_END_VENDOR_0 = 0x9E
    END_END_VENDOR_1 = 0x9F


class AddressType(OpenEnum):
    """AT: whether the address of a memory request was translated."""

    UNTRANSLATED = 0
    TRANSLATION_REQUEST = 1
    TRANSLATED = 2


class CompletionStatus(OpenEnum):
    """Completion Status."""

    SUCCESSFUL_COMPLETION = 0
    UNSUPPORTED_REQUEST = 1
    REQUEST_RETRY_STATUS = 2
    COMPLETER_ABORT = 4


class MessageCode(OpenEnum):
    """Message Code; those of IDE are `PCIE_A29`."""

    UNLOCK = 0x00
    INVALIDATE_REQUEST = 0x01
    INVALIDATE_COMPLETION = 0x02
    PAGE_REQUEST = 0x04
    PRG_RESPONSE = 0x05
    LTR = 0x10
    OBFF = 0x12
    PM_ACTIVE_STATE_NAK = 0x14
    PM_PME = 0x18
    PME_TURN_OFF = 0x19
    PME_TO_ACK = 0x1B
    ASSERT_INTA = 0x20
    ASSERT_INTB = 0x21
    ASSERT_INTC = 0x22
    ASSERT_INTD = 0x23
    DEASSERT_INTA = 0x24
    DEASSERT_INTB = 0x25
    DEASSERT_INTC = 0x26
    DEASSERT_INTD = 0x27
    ERR_COR = 0x30
    ERR_NONFATAL = 0x31
    ERR_FATAL = 0x33
    SET_SLOT_POWER_LIMIT = 0x50
    PTM_REQUEST = 0x52
    PTM_RESPONSE = 0x53
    IDE_SYNC = 0x54
    IDE_FAIL = 0x55
    VENDOR_DEFINED_TYPE_0 = 0x7E
    VENDOR_DEFINED_TYPE_1 = 0x7F


class Trailer(OpenEnum):
    """TS in flit mode: what follows the payload (`PCIE_A19`)."""

    NONE = 0b000
    ECRC = 0b001
    MAC = 0b101
    MAC_AND_PCRC = 0b110


class StreamState(IntEnum):
    """What an IDE stream is: READY is the sub-state of Insecure in which all keys are programmed."""

    INSECURE = 0
    READY = 1
    SECURE = 2


class AerBit(IntEnum):
    """The bit of AER's Uncorrectable Error Status that an IDE error sets."""

    IDE_CHECK_FAILED = 28
    MISROUTED_IDE_TLP = 29
    PCRC_CHECK_FAILED = 30


class IdeError(IntEnum):
    """What can be wrong with an IDE TLP that arrives; all but the last five are IDE Check Failed."""

    MAC_MISMATCH = 1
    COUNTER_UNDERFLOW = 2
    COUNTER_OVERFLOW = 3
    TYPE_NOT_ALLOWED = 4
    RESERVED_SUB_STREAM = 5
    WRONG_SUB_STREAM = 6
    WRONG_TRAFFIC_CLASS = 7
    KEY_SET_MISUSE = 8
    AGGREGATION_MISUSE = 9
    COMPLETION_STREAM_MISMATCH = 10
    COMPLETION_TEE_MISMATCH = 11
    UNSUPPORTED_FIELD = 12
    #: The TLP is dropped, and the stream stays as it is.
    MISROUTED = 13
    #: The TLP is delivered, and the stream stays as it is.
    PCRC_MISMATCH = 14
    #: A request of a function that the stream is not for: Unsupported Request.
    REQUESTER_OUT_OF_RANGE = 15
    #: A completion of a function that the stream is not for.
    COMPLETER_OUT_OF_RANGE = 16
    #: A completion that nobody waits for.
    UNEXPECTED_COMPLETION = 17
