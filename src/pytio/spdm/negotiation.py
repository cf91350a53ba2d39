"""NEGOTIATE_ALGORITHMS and ALGORITHMS: what to offer, what to select, and what may be selected (DSP0274).

A responder selects the first of its preferences that the requester offers, that the installed cryptography computes,
and, where it is to sign, that one of its keys serves. So nothing is ever negotiated that cannot be computed. This file
makes and judges the two messages; it sends nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeVar

import attrs

from pytio.crypto import AeadAlgorithm, ExchangeAlgorithm, HashAlgorithm, KemAlgorithm, SignatureAlgorithm
from pytio.crypto.algorithms import Algorithm
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
from pytio.spdm.capabilities import RequesterCapabilities, ResponderCapabilities
from pytio.spdm.codes import SpdmVersion
from pytio.spdm.configuration import AlgorithmSet, RequesterConfig, ResponderConfig
from pytio.spdm.messages.algorithms import Algorithms, AlgorithmStructure, NegotiateAlgorithms
from pytio.spdm.messages.capabilities import SupportedAlgorithms
from pytio.wire import WireFlag

__all__ = (
    "UnacceptableError",
    "check_request",
    "check_selection",
    "make_request",
    "multi_key_bit",
    "select",
    "supported_algorithms",
)

_Requester: Final = RequesterCapabilities
_Responder: Final = ResponderCapabilities
F = TypeVar("F", bound=WireFlag)
S = TypeVar("S", DheGroup, AeadSuite, BaseAsymAlgo, KeySchedule, PqcAsymAlgo, KemAlgo)


class UnacceptableError(ValueError):
    """The other side's offer or selection breaks a rule, or leaves nothing that both sides can do."""


_MAX_LENGTH: Final = {SpdmVersion.V1_0: 64}
_MAX_LENGTH_LATER: Final = 128
_MAX_EXTENDED: Final = {SpdmVersion.V1_0: 8}
_MAX_EXTENDED_LATER: Final = 20

_TYPES: Final = {
    SpdmVersion.V1_0: range(0),
    SpdmVersion.V1_1: range(AlgorithmType.DHE, AlgorithmType.KEY_SCHEDULE + 1),
    SpdmVersion.V1_2: range(AlgorithmType.DHE, AlgorithmType.KEY_SCHEDULE + 1),
    SpdmVersion.V1_3: range(AlgorithmType.DHE, AlgorithmType.KEY_SCHEDULE + 1),
    SpdmVersion.V1_4: range(AlgorithmType.DHE, AlgorithmType.KEM_ALG + 1),
}
"""The types of algorithm structures, by version."""

_ONLY_FROM_1_2: Final = {
    BaseAsymAlgo: BaseAsymAlgo.SM2_P256 | BaseAsymAlgo.ED25519 | BaseAsymAlgo.ED448,
    BaseHashAlgo: BaseHashAlgo.SM3_256,
    MeasurementHashAlgo: MeasurementHashAlgo.SM3_256,
    DheGroup: DheGroup.SM2_P256,
    AeadSuite: AeadSuite.SM4_GCM,
}
_KINDS: Final[dict[type[WireFlag], type[Algorithm]]] = {
    BaseHashAlgo: HashAlgorithm,
    MeasurementHashAlgo: HashAlgorithm,
    BaseAsymAlgo: SignatureAlgorithm,
    PqcAsymAlgo: SignatureAlgorithm,
    DheGroup: ExchangeAlgorithm,
    KemAlgo: KemAlgorithm,
    AeadSuite: AeadAlgorithm,
}
_OPAQUE_FORMATS: Final = OtherParams.OPAQUE_DATA_FMT0 | OtherParams.OPAQUE_DATA_FMT1


def _usable(members: Iterable[F], version: int) -> list[F]:
    """Return those members that the version knows and the installed cryptography computes, in their order."""
    return [member for member in members if _is_known(member, version) and _is_computed(member)]


def _is_known(member: WireFlag, version: int) -> bool:
    if version < SpdmVersion.V1_4 and isinstance(member, PqcAsymAlgo | KemAlgo):
        return False
    return version >= SpdmVersion.V1_2 or not member & _ONLY_FROM_1_2.get(type(member), type(member)(0))


def _is_computed(member: WireFlag) -> bool:
    if member == MeasurementHashAlgo.RAW_BIT_STREAM_ONLY and isinstance(member, MeasurementHashAlgo):
        return True
    if isinstance(member, BaseAsymAlgo) and member == BaseAsymAlgo.ED448:
        return False  # SPDM signs by Ed448 with a context, and the library takes none
    name = str(member.name)
    kind = _KINDS[type(member)]
    return name in kind.__members__ and kind[name].is_supported()


def _together(kind: type[F], members: Iterable[F]) -> F:
    result = kind(0)
    for member in members:
        result |= member
    return result


def _structures(version: int, **flags: WireFlag) -> tuple[AlgorithmStructure, ...]:
    """Return a structure for each kind that the version has and that is not empty: those are left out."""
    return tuple(
        AlgorithmStructure(alg_type=AlgorithmType[name], alg_supported=flag)
        for name, flag in flags.items()
        if flag and AlgorithmType[name] in _TYPES[SpdmVersion(version)]
    )


def _offer(
    version: int, algorithms: AlgorithmSet, req_asym: list[BaseAsymAlgo], req_pqc: list[PqcAsymAlgo]
) -> tuple[AlgorithmStructure, ...]:
    return _structures(
        version,
        DHE=_together(DheGroup, _usable(algorithms.dhe, version)),
        AEAD=_together(AeadSuite, _usable(algorithms.aead, version)),
        REQ_BASE_ASYM_ALG=_together(BaseAsymAlgo, req_asym),
        KEY_SCHEDULE=KeySchedule.SPDM,
        REQ_PQC_ASYM_ALG=_together(PqcAsymAlgo, req_pqc),
        KEM_ALG=_together(KemAlgo, _usable(algorithms.kem, version)),
    )


def multi_key_bit(wanted: bool, peer: RequesterCapabilities | ResponderCapabilities) -> OtherParams:
    """Return what to say about several keys of the peer: as it must be, or as is wanted where it leaves the choice."""
    kind = type(peer)
    must = bool(peer & kind.MULTI_KEY_CAP_ONLY)
    may = bool(peer & kind.MULTI_KEY_CAP_NEG)
    return OtherParams.MULTI_KEY_CONN if must or (may and wanted) else OtherParams(0)


def _opaque_formats(version: int, algorithms: AlgorithmSet) -> OtherParams:
    return _together(OtherParams, algorithms.opaque_formats) if version >= SpdmVersion.V1_2 else OtherParams(0)


def make_request(
    version: SpdmVersion, config: RequesterConfig, responder: ResponderCapabilities
) -> NegotiateAlgorithms:
    """Return NEGOTIATE_ALGORITHMS: everything of the configuration that can be computed."""
    offered = config.algorithms
    can_prove = _Requester.MUT_AUTH_CAP in config.capabilities
    req_asym = [member for member in _usable(offered.req_asym, version) if can_prove and config.can_sign(member)]
    req_pqc = [member for member in _usable(offered.req_pqc_asym, version) if can_prove and config.can_sign(member)]
    several = multi_key_bit(config.is_responder_multi_key, responder) if version >= SpdmVersion.V1_3 else OtherParams(0)
    return NegotiateAlgorithms(
        version=version,
        measurement_specification=MeasurementSpecification.DMTF,
        other_params_support=_opaque_formats(version, offered) | several,
        base_asym_algo=_together(BaseAsymAlgo, _usable(offered.asym, version)),
        base_hash_algo=_together(BaseHashAlgo, _usable(offered.hashes, version)),
        pqc_asym_algo=_together(PqcAsymAlgo, _usable(offered.pqc_asym, version)),
        mel_specification=MelSpecification.DMTF if version >= SpdmVersion.V1_3 else MelSpecification(0),
        alg_structures=_offer(version, offered, req_asym, req_pqc),
    )


def supported_algorithms(version: SpdmVersion, config: ResponderConfig) -> SupportedAlgorithms:
    """Return the block at the end of CAPABILITIES: everything that the responder could select."""
    offered = config.algorithms
    asym = [member for member in _usable(offered.asym, version) if config.can_sign(member)]
    pqc = [member for member in _usable(offered.pqc_asym, version) if config.can_sign(member)]
    return SupportedAlgorithms(
        measurement_specification=MeasurementSpecification.DMTF,
        other_params_support=_opaque_formats(version, offered),
        base_asym_algo=_together(BaseAsymAlgo, asym),
        base_hash_algo=_together(BaseHashAlgo, _usable(offered.hashes, version)),
        pqc_asym_algo=_together(PqcAsymAlgo, pqc),
        mel_specification=MelSpecification.DMTF,
        alg_structures=_offer(
            version, offered, _usable(offered.req_asym, version), _usable(offered.req_pqc_asym, version)
        ),
    )


def check_request(request: NegotiateAlgorithms) -> None:
    """Raise UnacceptableError unless NEGOTIATE_ALGORITHMS, whose layout is right, keeps the rules of its version."""
    version = SpdmVersion(request.version)
    extended = len(request.ext_asym) + len(request.ext_hash)
    extended += sum(len(structure.alg_external) for structure in request.alg_structures)
    if request.length > _MAX_LENGTH.get(version, _MAX_LENGTH_LATER):
        raise UnacceptableError(f"NEGOTIATE_ALGORITHMS of {request.length} bytes")
    if extended > _MAX_EXTENDED.get(version, _MAX_EXTENDED_LATER):
        raise UnacceptableError(f"{extended} extended algorithms")
    _check_types(version, request.alg_structures)
    if any(not structure.alg_supported and not structure.alg_external for structure in request.alg_structures):
        raise UnacceptableError("an algorithm structure that offers nothing")


def _check_types(version: SpdmVersion, structures: tuple[AlgorithmStructure, ...]) -> None:
    types = [structure.alg_type for structure in structures]
    if types != sorted(set(types)):
        raise UnacceptableError("algorithm structures out of order")
    if any(kind not in _TYPES[version] for kind in types):
        raise UnacceptableError("an algorithm structure of a type that the version lacks")


@attrs.frozen
class _Needs:
    """What a connection cannot do without, given the capabilities of both sides."""

    signature: bool
    hash: bool
    exchange: bool
    session: bool
    requester_signature: bool


def _needs(requester: RequesterCapabilities, responder: ResponderCapabilities) -> _Needs:
    exchange = _Requester.KEY_EX_CAP in requester and _Responder.KEY_EX_CAP in responder
    psk = _Requester.PSK_CAP in requester and bool(responder & (_Responder.PSK_CAP | _Responder.PSK_CAP_WITH_CONTEXT))
    signed = _Responder.CHAL_CAP | _Responder.MEAS_CAP_SIG | _Responder.EP_INFO_CAP_SIG
    signature = exchange or bool(responder & signed)
    mutual = _Requester.MUT_AUTH_CAP in requester and _Responder.MUT_AUTH_CAP in responder
    return _Needs(signature, signature or psk, exchange, exchange or psk, mutual)


def _first(mine: list[F], offered: WireFlag, kind: type[F]) -> F:
    return next((member for member in mine if member & offered), kind(0))


def _one_of(classical: F, quantum: WireFlag, *, is_pqc_first: bool) -> tuple[F, WireFlag]:
    """Keep one of two selections: at most one is to be made."""
    if classical and quantum:
        return (type(classical)(0), quantum) if is_pqc_first else (classical, type(quantum)(0))
    return classical, quantum


def select(
    request: NegotiateAlgorithms,
    config: ResponderConfig,
    requester: RequesterCapabilities,
    responder: ResponderCapabilities,
) -> Algorithms:
    """Return ALGORITHMS: the responder's choice.

    Raises UnacceptableError if the offer breaks a rule or lacks what the capabilities of both sides need.
    """
    check_request(request)
    version = SpdmVersion(request.version)
    needs = _needs(requester, responder)
    chosen = _Choice(request, config.algorithms, version)
    base_asym, pqc_asym = chosen.signature(config) if needs.signature else (BaseAsymAlgo(0), PqcAsymAlgo(0))
    structures = chosen.structures(needs)
    several = _several_keys(request, config, requester, responder)
    is_measured = bool(responder & (_Responder.MEAS_CAP_NO_SIG | _Responder.MEAS_CAP_SIG))
    is_measured = is_measured and MeasurementSpecification.DMTF in request.measurement_specification
    has_log = _Responder.MEL_CAP in responder and MelSpecification.DMTF in request.mel_specification
    measurement_hash = _usable(config.algorithms.measurement_hashes, version)[:1] if is_measured else []
    selected = Algorithms(
        version=version,
        measurement_specification_sel=MeasurementSpecification(int(is_measured)),
        other_params_selection=_opaque_format(request, config.algorithms, version) | several,
        measurement_hash_algo=_together(MeasurementHashAlgo, measurement_hash),
        base_asym_sel=base_asym,
        base_hash_sel=_first(_usable(config.algorithms.hashes, version), request.base_hash_algo, BaseHashAlgo),
        pqc_asym_sel=pqc_asym,
        mel_specification_sel=MelSpecification(int(has_log and version >= SpdmVersion.V1_3)),
        alg_structures=structures,
    )
    _check_sufficient(selected, needs)
    return selected


def _opaque_format(request: NegotiateAlgorithms, algorithms: AlgorithmSet, version: SpdmVersion) -> OtherParams:
    if version < SpdmVersion.V1_2:
        return OtherParams(0)
    ordered = sorted(algorithms.opaque_formats, reverse=True)  # OpaqueDataFmt1 first: sessions need it
    return next((form for form in ordered if form & request.other_params_support), OtherParams(0))


def _several_keys(
    request: NegotiateAlgorithms,
    config: ResponderConfig,
    requester: RequesterCapabilities,
    responder: ResponderCapabilities,
) -> OtherParams:
    if request.version < SpdmVersion.V1_3:
        return OtherParams(0)
    asked = bool(request.other_params_support & OtherParams.MULTI_KEY_CONN)
    if asked != bool(multi_key_bit(asked, responder)):
        raise UnacceptableError("ResponderMultiKeyConn contradicts the responder's MULTI_KEY_CAP")
    return multi_key_bit(config.is_requester_multi_key, requester)


@attrs.frozen
class _Choice:
    """The responder's preferences against one offer."""

    request: NegotiateAlgorithms
    algorithms: AlgorithmSet
    version: SpdmVersion

    def _offered(self, kind: AlgorithmType) -> int:
        return next((int(s.alg_supported) for s in self.request.alg_structures if s.alg_type == kind), 0)

    def _select(self, members: tuple[F, ...], offered: int, kind: type[F]) -> F:
        return _first(_usable(members, self.version), kind(offered), kind)

    def signature(self, config: ResponderConfig) -> tuple[BaseAsymAlgo, PqcAsymAlgo]:
        """Return the two selections for the responder's signatures, one of which is empty."""
        classical = self._select(
            tuple(filter(config.can_sign, self.algorithms.asym)), self.request.base_asym_algo, BaseAsymAlgo
        )
        quantum = self._select(
            tuple(filter(config.can_sign, self.algorithms.pqc_asym)), self.request.pqc_asym_algo, PqcAsymAlgo
        )
        one, other = _one_of(classical, quantum, is_pqc_first=self.algorithms.is_pqc_first)
        return one, PqcAsymAlgo(other)

    def structures(self, needs: _Needs) -> tuple[AlgorithmStructure, ...]:
        """Return a structure for each one of the request, in its order; a selection may be empty."""
        mine, kinds = self.algorithms, AlgorithmType
        dhe, kem = _one_of(
            self._select(mine.dhe, self._offered(kinds.DHE), DheGroup),
            self._select(mine.kem, self._offered(kinds.KEM_ALG), KemAlgo),
            is_pqc_first=mine.is_pqc_first,
        )
        asym, pqc = _one_of(
            self._select(mine.req_asym, self._offered(kinds.REQ_BASE_ASYM_ALG), BaseAsymAlgo),
            self._select(mine.req_pqc_asym, self._offered(kinds.REQ_PQC_ASYM_ALG), PqcAsymAlgo),
            is_pqc_first=mine.is_pqc_first,
        )
        choices: dict[int, WireFlag] = {
            kinds.DHE: dhe if needs.exchange else DheGroup(0),
            kinds.AEAD: self._select(mine.aead, self._offered(kinds.AEAD), AeadSuite)
            if needs.session
            else AeadSuite(0),
            kinds.REQ_BASE_ASYM_ALG: asym if needs.requester_signature else BaseAsymAlgo(0),
            kinds.KEY_SCHEDULE: KeySchedule(self._offered(kinds.KEY_SCHEDULE) & 1 if needs.session else 0),
            kinds.REQ_PQC_ASYM_ALG: pqc if needs.requester_signature else PqcAsymAlgo(0),
            kinds.KEM_ALG: kem if needs.exchange else KemAlgo(0),
        }
        return tuple(
            AlgorithmStructure(alg_type=s.alg_type, alg_supported=choices[s.alg_type])
            for s in self.request.alg_structures
        )


def _selected(selected: Algorithms, *kinds: AlgorithmType) -> int:
    """Return how many of these structures hold a selection."""
    return sum(bool(s.alg_supported) for s in selected.alg_structures if s.alg_type in kinds)


def _check_sufficient(selected: Algorithms, needs: _Needs) -> None:
    kinds = AlgorithmType
    signatures = bool(selected.base_asym_sel) + bool(selected.pqc_asym_sel)
    missing = [
        what
        for what, is_needed, count in (
            ("signature", needs.signature, signatures),
            ("hash", needs.hash, bool(selected.base_hash_sel)),
            ("key exchange", needs.exchange, _selected(selected, kinds.DHE, kinds.KEM_ALG)),
            ("AEAD", needs.session, _selected(selected, kinds.AEAD)),
            ("key schedule", needs.session, _selected(selected, kinds.KEY_SCHEDULE)),
        )
        if is_needed and count != 1
    ]
    if missing:
        raise UnacceptableError(f"not exactly one algorithm in common for: {', '.join(missing)}")


def check_selection(
    request: NegotiateAlgorithms,
    selected: Algorithms,
    requester: RequesterCapabilities,
    responder: ResponderCapabilities,
) -> None:
    """Raise UnacceptableError unless ALGORITHMS answers NEGOTIATE_ALGORITHMS: one each, of what was offered."""
    pairs: list[tuple[str, int, int]] = [
        ("MeasurementSpecificationSel", selected.measurement_specification_sel, request.measurement_specification),
        ("BaseAsymSel", selected.base_asym_sel, request.base_asym_algo),
        ("BaseHashSel", selected.base_hash_sel, request.base_hash_algo),
        ("PqcAsymSel", selected.pqc_asym_sel if _is_1_4(request) else 0, request.pqc_asym_algo),
        ("MELspecificationSel", selected.mel_specification_sel if _is_1_3(request) else 0, request.mel_specification),
        ("opaque format", selected.other_params_selection & _OPAQUE_FORMATS, request.other_params_support),
        *_structure_pairs(request, selected),
    ]
    for what, chosen, offered in pairs:
        if chosen & ~offered or chosen & (chosen - 1):
            raise UnacceptableError(f"{what} {chosen:#x} is no selection of one from {offered:#x}")
    if selected.measurement_hash_algo & (selected.measurement_hash_algo - 1):
        raise UnacceptableError(f"MeasurementHashAlgo {selected.measurement_hash_algo:#x} is no selection of one")
    if selected.ext_asym_sel or selected.ext_hash_sel:
        raise UnacceptableError("an extended algorithm is selected, and none was offered")
    _check_measurement_hash(selected, responder)
    _check_requester_keys(request, selected, requester)
    _check_sufficient(selected, _needs(requester, responder))


def _is_1_3(request: NegotiateAlgorithms) -> bool:
    return request.version >= SpdmVersion.V1_3


def _is_1_4(request: NegotiateAlgorithms) -> bool:
    return request.version >= SpdmVersion.V1_4


def _structure_pairs(request: NegotiateAlgorithms, selected: Algorithms) -> list[tuple[str, int, int]]:
    asked, answered = request.alg_structures, selected.alg_structures
    if [s.alg_type for s in asked] != [s.alg_type for s in answered]:
        raise UnacceptableError("the algorithm structures are not those of the request")
    return [(a.alg_type.name, int(b.alg_supported), int(a.alg_supported)) for a, b in zip(asked, answered, strict=True)]


def _check_measurement_hash(selected: Algorithms, responder: ResponderCapabilities) -> None:
    can_measure = bool(responder & (_Responder.MEAS_CAP_NO_SIG | _Responder.MEAS_CAP_SIG))
    is_specified = bool(selected.measurement_specification_sel)
    if bool(selected.measurement_hash_algo) != (can_measure and is_specified):
        raise UnacceptableError("MeasurementHashAlgo goes with MEAS_CAP and a measurement specification")


def _check_requester_keys(request: NegotiateAlgorithms, selected: Algorithms, requester: RequesterCapabilities) -> None:
    if not _is_1_3(request):
        return
    asked = bool(selected.other_params_selection & OtherParams.MULTI_KEY_CONN)
    if asked != bool(multi_key_bit(asked, requester)):
        raise UnacceptableError("RequesterMultiKeyConnSel contradicts the requester's MULTI_KEY_CAP")
