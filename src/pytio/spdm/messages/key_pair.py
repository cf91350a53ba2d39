"""GET_KEY_PAIR_INFO and SET_KEY_PAIR_INFO with their responses: a responder with several keys (DSP0274, from 1.3).

This file knows layouts only. Fields of post-quantum algorithms say how long they are; the reference implementation uses
4 bytes, and of longer ones all known algorithms are in the first 4.
"""

from __future__ import annotations

from typing import Final

from pytio.spdm.algorithms import KeyPairAsymAlgo, PqcAsymAlgo
from pytio.spdm.codes import KeyPairCapabilities, KeyUsage, SetKeyPairInfoOperation, SpdmCode, SpdmVersion
from pytio.spdm.messages.base import CODE, VERSION, SpdmMessage
from pytio.wire import AUTO, U16, U32, Byte, Bytes, Flags, OpenCode, fixed, message, this, wire

__all__ = ("GetKeyPairInfo", "KeyPairInfo", "SetKeyPairInfo", "SetKeyPairInfoAck", "pqc_algorithms")

_PQC_BYTES: Final = 4


def pqc_algorithms(field: bytes | None) -> PqcAsymAlgo:
    """Return the post-quantum algorithms of a field of any length; none where the field is absent."""
    return PqcAsymAlgo(int.from_bytes((field or b"")[:_PQC_BYTES], "little"))


@message
class GetKeyPairInfo(SpdmMessage):
    """GET_KEY_PAIR_INFO: ask about one of the responder's key pairs (DSP0274, GET_KEY_PAIR_INFO)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.GET_KEY_PAIR_INFO)
    reserved_param1: int = wire(Byte, default=0)
    reserved_param2: int = wire(Byte, default=0)
    key_pair_id: int = wire(Byte)
    """From 1 to the total number of key pairs."""


@message
class KeyPairInfo(SpdmMessage):
    """KEY_PAIR_INFO: what one key pair is, may be, and is used for (DSP0274, KEY_PAIR_INFO).

    In 1.4 the reference implementation sends 8 bytes of zeros behind the last field. They are no part of the message:
    use ``parse_prefix``, which takes the length from the fields, and ignore the rest.
    """

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.KEY_PAIR_INFO)
    reserved_param1: int = wire(Byte, default=0)
    reserved_param2: int = wire(Byte, default=0)
    total_key_pairs: int = wire(Byte)
    key_pair_id: int = wire(Byte)
    capabilities: KeyPairCapabilities = wire(Flags(U16, KeyPairCapabilities), default=KeyPairCapabilities(0))
    key_usage_capabilities: KeyUsage = wire(Flags(U16, KeyUsage), default=KeyUsage(0))
    current_key_usage: KeyUsage = wire(Flags(U16, KeyUsage), default=KeyUsage(0))
    asym_algo_capabilities: KeyPairAsymAlgo = wire(Flags(U32, KeyPairAsymAlgo), default=KeyPairAsymAlgo(0))
    current_asym_algo: KeyPairAsymAlgo = wire(Flags(U32, KeyPairAsymAlgo), default=KeyPairAsymAlgo(0))
    public_key_info_len: int = wire(U16, default=AUTO)
    assoc_cert_slot_mask: int = wire(Byte, default=0)
    """The slots whose leaf certificate has this key, bit by slot."""
    public_key_info: bytes = wire(Bytes(this.public_key_info_len), default=b"")
    """DER: AlgorithmIdentifier."""
    pqc_asym_algo_cap_len: int | None = wire(Byte, when=this.version >= SpdmVersion.V1_4, default=AUTO)
    pqc_asym_algo_capabilities: bytes | None = wire(
        Bytes(this.pqc_asym_algo_cap_len), when=this.version >= SpdmVersion.V1_4, default=bytes(_PQC_BYTES)
    )
    """For `pqc_algorithms`."""
    current_pqc_asym_algo_len: int | None = wire(Byte, when=this.version >= SpdmVersion.V1_4, default=AUTO)
    current_pqc_asym_algo: bytes | None = wire(
        Bytes(this.current_pqc_asym_algo_len), when=this.version >= SpdmVersion.V1_4, default=bytes(_PQC_BYTES)
    )
    """For `pqc_algorithms`."""


_CHANGES: Final = this.operation != SetKeyPairInfoOperation.ERASE_KEY_PAIR
_CHANGES_PQC: Final = _CHANGES & (this.version >= SpdmVersion.V1_4)


@message
class SetKeyPairInfo(SpdmMessage):
    """SET_KEY_PAIR_INFO: change what a key pair is used for, erase it or make a new one (DSP0274, SET_KEY_PAIR_INFO).

    A request to erase ends after ``key_pair_id``.
    """

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.SET_KEY_PAIR_INFO)
    operation: SetKeyPairInfoOperation = wire(OpenCode(Byte, SetKeyPairInfoOperation))
    reserved_param2: int = wire(Byte, default=0)
    key_pair_id: int = wire(Byte)
    reserved: int | None = wire(Byte, when=_CHANGES, default=0)
    desired_key_usage: KeyUsage | None = wire(Flags(U16, KeyUsage), when=_CHANGES, default=KeyUsage(0))
    desired_asym_algo: KeyPairAsymAlgo | None = wire(
        Flags(U32, KeyPairAsymAlgo), when=_CHANGES, default=KeyPairAsymAlgo(0)
    )
    desired_assoc_cert_slot_mask: int | None = wire(Byte, when=_CHANGES, default=0)
    desired_pqc_asym_algo_len: int | None = wire(Byte, when=_CHANGES_PQC, default=AUTO)
    desired_pqc_asym_algo: bytes | None = wire(
        Bytes(this.desired_pqc_asym_algo_len), when=_CHANGES_PQC, default=bytes(_PQC_BYTES)
    )
    """For `pqc_algorithms`."""


@message
class SetKeyPairInfoAck(SpdmMessage):
    """SET_KEY_PAIR_INFO_ACK (DSP0274, SET_KEY_PAIR_INFO_ACK)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.SET_KEY_PAIR_INFO_ACK)
    reserved_param1: int = wire(Byte, default=0)
    reserved_param2: int = wire(Byte, default=0)
