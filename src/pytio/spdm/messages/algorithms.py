"""NEGOTIATE_ALGORITHMS and ALGORITHMS: agree on cryptography and formats.

Document: DSP0274, "NEGOTIATE_ALGORITHMS request and ALGORITHMS response messages". What a later version defines is
reserved, so zero, in an earlier one; the fields are always there.
"""

from __future__ import annotations

from typing import Final

from pytio.spdm.algorithms import (
    AeadSuite,
    AlgorithmType,
    BaseAsymAlgo,
    BaseHashAlgo,
    DheGroup,
    KemAlgo,
    KeySchedule,
    MeasurementHashAlgo,
    MeasurementSpecification,
    MelSpecification,
    OtherParams,
    PqcAsymAlgo,
)
from pytio.spdm.codes import RegistryId, SpdmCode, SpdmVersion
from pytio.spdm.messages.base import CODE, VERSION, SpdmMessage, SpdmStruct
from pytio.wire import (
    AUTO,
    U16,
    U32,
    Array,
    Bits,
    Byte,
    Bytes,
    Flags,
    Nested,
    OpenCode,
    Switch,
    Within,
    fixed,
    message,
    this,
    wire,
)

__all__ = ("AlgorithmStructure", "Algorithms", "ExtendedAlgorithm", "NegotiateAlgorithms")

_NEGOTIATE_FIXED_BYTES: Final = 32
_ALGORITHMS_FIXED_BYTES: Final = 36
_EXTENDED_ALGORITHM_BYTES: Final = 4
_FIXED_ALGORITHM_BYTES: Final = 2


@message
class ExtendedAlgorithm(SpdmStruct):
    """An algorithm that another body than DMTF names (DSP0274, extended algorithm field format)."""

    registry_id: RegistryId = wire(OpenCode(Byte, RegistryId))
    reserved: int = wire(Byte, default=0)
    algorithm_id: int = wire(U16)


@message
class AlgorithmStructure(SpdmStruct):
    """One algorithm structure, from 1.1: the choices for one purpose (DSP0274, algorithm request structure)."""

    alg_type: AlgorithmType = wire(OpenCode(Byte, AlgorithmType))
    ext_alg_count: int = wire(Bits(4), default=AUTO)
    fixed_alg_bytes: int = fixed(Bits(4), _FIXED_ALGORITHM_BYTES)
    alg_supported: DheGroup | AeadSuite | BaseAsymAlgo | KeySchedule | PqcAsymAlgo | KemAlgo | int = wire(
        Switch(
            this.alg_type,
            {
                AlgorithmType.DHE: Flags(U16, DheGroup),
                AlgorithmType.AEAD: Flags(U16, AeadSuite),
                AlgorithmType.REQ_BASE_ASYM_ALG: Flags(U16, BaseAsymAlgo),
                AlgorithmType.KEY_SCHEDULE: Flags(U16, KeySchedule),
                AlgorithmType.REQ_PQC_ASYM_ALG: Flags(U16, PqcAsymAlgo),
                AlgorithmType.KEM_ALG: Flags(U16, KemAlgo),
            },
            default=U16,
        )
    )
    alg_external: tuple[ExtendedAlgorithm, ...] = wire(Array(this.ext_alg_count, Nested(ExtendedAlgorithm)), default=())


@message
class NegotiateAlgorithms(SpdmMessage):
    """NEGOTIATE_ALGORITHMS: what the requester supports (DSP0274, NEGOTIATE_ALGORITHMS)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.NEGOTIATE_ALGORITHMS)
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
            - _NEGOTIATE_FIXED_BYTES,
            Array(this.alg_structure_count, Nested(AlgorithmStructure)),
        ),
        default=(),
    )


@message
class Algorithms(SpdmMessage):
    """ALGORITHMS: what the responder selected, at most one bit in each field (DSP0274, ALGORITHMS)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.ALGORITHMS)
    alg_structure_count: int = wire(Byte, default=AUTO)
    reserved_param2: int = wire(Byte, default=0)
    length: int = wire(U16, default=AUTO)
    measurement_specification_sel: MeasurementSpecification = wire(
        Flags(Byte, MeasurementSpecification), default=MeasurementSpecification(0)
    )
    other_params_selection: OtherParams = wire(Flags(Byte, OtherParams), default=OtherParams(0))
    measurement_hash_algo: MeasurementHashAlgo = wire(Flags(U32, MeasurementHashAlgo), default=MeasurementHashAlgo(0))
    base_asym_sel: BaseAsymAlgo = wire(Flags(U32, BaseAsymAlgo), default=BaseAsymAlgo(0))
    base_hash_sel: BaseHashAlgo = wire(Flags(U32, BaseHashAlgo), default=BaseHashAlgo(0))
    pqc_asym_sel: PqcAsymAlgo = wire(Flags(U32, PqcAsymAlgo), default=PqcAsymAlgo(0))
    reserved: bytes = wire(Bytes(7), default=bytes(7))
    mel_specification_sel: MelSpecification = wire(Flags(Byte, MelSpecification), default=MelSpecification(0))
    ext_asym_sel_count: int = wire(Byte, default=AUTO)
    ext_hash_sel_count: int = wire(Byte, default=AUTO)
    reserved2: bytes = wire(Bytes(2), default=bytes(2))
    ext_asym_sel: tuple[ExtendedAlgorithm, ...] = wire(
        Array(this.ext_asym_sel_count, Nested(ExtendedAlgorithm)), default=()
    )
    ext_hash_sel: tuple[ExtendedAlgorithm, ...] = wire(
        Array(this.ext_hash_sel_count, Nested(ExtendedAlgorithm)), default=()
    )
    alg_structures: tuple[AlgorithmStructure, ...] = wire(
        Within(
            this.length
            - this.ext_asym_sel_count * _EXTENDED_ALGORITHM_BYTES
            - this.ext_hash_sel_count * _EXTENDED_ALGORITHM_BYTES
            - _ALGORITHMS_FIXED_BYTES,
            Array(this.alg_structure_count, Nested(AlgorithmStructure)),
        ),
        default=(),
    )
