"""GET_CAPABILITIES and CAPABILITIES: what each side can do and how much it can take.

Document: DSP0274, "GET_CAPABILITIES request and CAPABILITIES response messages".
"""

from __future__ import annotations

from typing import Final

from pytio.spdm.algorithms import (
    BaseAsymAlgo,
    BaseHashAlgo,
    MeasurementSpecification,
    MelSpecification,
    OtherParams,
    PqcAsymAlgo,
)
from pytio.spdm.capabilities import ExtendedCapabilities, RequesterCapabilities, ResponderCapabilities
from pytio.spdm.codes import SpdmCode, SpdmVersion
from pytio.spdm.messages.algorithms import AlgorithmStructure, ExtendedAlgorithm
from pytio.spdm.messages.base import CODE, VERSION, SpdmMessage, SpdmStruct
from pytio.wire import AUTO, U16, U32, Array, Bit, Bits, Byte, Bytes, Flags, Nested, Within, fixed, message, this, wire

__all__ = ("Capabilities", "GetCapabilities", "SupportedAlgorithms")

_BLOCK_FIXED_BYTES: Final = 30
_EXTENDED_ALGORITHM_BYTES: Final = 4


@message
class SupportedAlgorithms(SpdmStruct):
    """SupportedAlgorithms, at the end of CAPABILITIES: NEGOTIATE_ALGORITHMS without its version and code (1.3)."""

    alg_structure_count: int = wire(Byte, default=AUTO)
    reserved_param2: int = wire(Byte, default=0)
    length: int = wire(U16, default=AUTO)
    measurement_specification: MeasurementSpecification = wire(
        Flags(Byte, MeasurementSpecification), default=MeasurementSpecification(0)
    )
    other_params_support: OtherParams = wire(Flags(Byte, OtherParams), default=OtherParams(0))
    base_asym_algo: BaseAsymAlgo = wire(Flags(U32, BaseAsymAlgo), default=BaseAsymAlgo(0))
    base_hash_algo: BaseHashAlgo = wire(Flags(U32, BaseHashAlgo), default=BaseHashAlgo(0))
    pqc_asym_algo: PqcAsymAlgo = wire(Flags(U32, PqcAsymAlgo), default=PqcAsymAlgo(0))
    reserved: bytes = wire(Bytes(8), default=bytes(8))
    ext_asym_count: int = wire(Byte, default=AUTO)
    ext_hash_count: int = wire(Byte, default=AUTO)
    reserved2: int = wire(Byte, default=0)
    mel_specification: MelSpecification = wire(Flags(Byte, MelSpecification), default=MelSpecification(0))
    ext_asym: tuple[ExtendedAlgorithm, ...] = wire(Array(this.ext_asym_count, Nested(ExtendedAlgorithm)), default=())
    ext_hash: tuple[ExtendedAlgorithm, ...] = wire(Array(this.ext_hash_count, Nested(ExtendedAlgorithm)), default=())
    alg_structures: tuple[AlgorithmStructure, ...] = wire(
        Within(
            this.length
            - this.ext_asym_count * _EXTENDED_ALGORITHM_BYTES
            - this.ext_hash_count * _EXTENDED_ALGORITHM_BYTES
            - _BLOCK_FIXED_BYTES,
            Array(this.alg_structure_count, Nested(AlgorithmStructure)),
        ),
        default=(),
    )


@message
class GetCapabilities(SpdmMessage):
    """GET_CAPABILITIES: what the requester can do; fixes the version (DSP0274, GET_CAPABILITIES).

    In 1.0 it is a bare header. ExtFlags are reserved before 1.4.
    """

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.GET_CAPABILITIES)
    supported_algorithms_requested: bool = wire(Bit, default=False)
    """From 1.3: CAPABILITIES shall end with `SupportedAlgorithms`."""
    reserved_param1: int = wire(Bits(7), default=0)
    reserved_param2: int = wire(Byte, default=0)
    reserved: int | None = wire(Byte, when=this.version >= SpdmVersion.V1_1, default=0)
    ct_exponent: int | None = wire(Byte, when=this.version >= SpdmVersion.V1_1, default=0)
    """Cryptography takes the requester at most 2^CTExponent microseconds."""
    ext_flags: ExtendedCapabilities | None = wire(
        Flags(U16, ExtendedCapabilities), when=this.version >= SpdmVersion.V1_1, default=ExtendedCapabilities(0)
    )
    flags: RequesterCapabilities | None = wire(
        Flags(U32, RequesterCapabilities), when=this.version >= SpdmVersion.V1_1, default=RequesterCapabilities(0)
    )
    data_transfer_size: int | None = wire(U32, when=this.version >= SpdmVersion.V1_2, default=None)
    """The most bytes of a message, or of one chunk message, that the sender takes."""
    max_spdm_msg_size: int | None = wire(U32, when=this.version >= SpdmVersion.V1_2, default=None)
    """The most bytes of a message, whole or in chunks, that the sender takes."""


@message
class Capabilities(SpdmMessage):
    """CAPABILITIES: what the responder can do (DSP0274, CAPABILITIES).

    ExtFlags are reserved before 1.4.
    """

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.CAPABILITIES)
    supported_algorithms_present: bool = wire(Bit, default=False)
    """From 1.3."""
    reserved_param1: int = wire(Bits(7), default=0)
    reserved_param2: int = wire(Byte, default=0)
    reserved: int = wire(Byte, default=0)
    ct_exponent: int = wire(Byte, default=0)
    """Cryptography takes the responder at most 2^CTExponent microseconds."""
    ext_flags: ExtendedCapabilities = wire(Flags(U16, ExtendedCapabilities), default=ExtendedCapabilities(0))
    flags: ResponderCapabilities = wire(Flags(U32, ResponderCapabilities))
    data_transfer_size: int | None = wire(U32, when=this.version >= SpdmVersion.V1_2, default=None)
    """The most bytes of a message, or of one chunk message, that the sender takes."""
    max_spdm_msg_size: int | None = wire(U32, when=this.version >= SpdmVersion.V1_2, default=None)
    """The most bytes of a message, whole or in chunks, that the sender takes."""
    supported_algorithms: SupportedAlgorithms | None = wire(
        Nested(SupportedAlgorithms),
        when=(this.version >= SpdmVersion.V1_3) & this.supported_algorithms_present,
        default=None,
    )
