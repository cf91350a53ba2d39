"""What two peers agreed on in the VCA exchange, and what follows from it for the messages after it (DSP0274).

Sizes of fields that no message states, whether a handshake travels in the clear, whether records are encrypted: all of
that comes from four messages. This file derives it, for either role and for a listener alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final, NoReturn, Self

import attrs

from pytio.spdm import algorithms
from pytio.spdm.algorithms import (
    AeadSuite,
    AlgorithmType,
    BaseAsymAlgo,
    BaseHashAlgo,
    DheGroup,
    KemAlgo,
    MeasurementHashAlgo,
    MeasurementSpecification,
    MelSpecification,
    OtherParams,
    PqcAsymAlgo,
)
from pytio.spdm.capabilities import RequesterCapabilities, ResponderCapabilities
from pytio.spdm.codes import MeasurementSummaryHashType, SpdmCode, SpdmVersion
from pytio.spdm.key_schedule import KeySchedule
from pytio.spdm.messages.algorithms import Algorithms, NegotiateAlgorithms
from pytio.spdm.messages.base import SpdmMessage
from pytio.spdm.messages.capabilities import Capabilities, GetCapabilities
from pytio.wire import WireFlag

__all__ = ("Negotiated", "UnknownFactError", "depends_on_request")


class UnknownFactError(LookupError):
    """A size that the message needs follows from nothing that was said.

    Attributes:
        fact: the name that ``parse`` takes.
    """

    def __init__(self, fact: str) -> None:
        super().__init__(fact)
        self.fact = fact

    def __str__(self) -> str:
        """Name what is unknown."""
        return f"{self.fact} is not known: nothing was negotiated that says it"


_MAJOR_SHIFT: Final = 4
_MINOR_MASK: Final = 0xF
_SIGNED_ON_REQUEST: Final = frozenset({SpdmCode.MEASUREMENTS.name, SpdmCode.ENDPOINT_INFO.name})
_OPAQUE_FORMATS: Final = OtherParams.OPAQUE_DATA_FMT0 | OtherParams.OPAQUE_DATA_FMT1
_MEASUREMENT_CAPABILITIES: Final = ResponderCapabilities.MEAS_CAP_NO_SIG | ResponderCapabilities.MEAS_CAP_SIG


def depends_on_request(cls: type[SpdmMessage]) -> bool:
    """Say whether sizes of a response depend on what was asked, beside what was negotiated."""
    return cls.NAME in _SIGNED_ON_REQUEST or "summary" in cls.GIVEN


@attrs.frozen
class Negotiated:
    """The result of GET_VERSION to ALGORITHMS.

    Attributes:
        version: the negotiated SPDM version.
        requester: the requester's capabilities.
        responder: the responder's capabilities.
        base_hash: the selected hash; no bit where none was selected, and so for all selections.
        base_asym: the responder's signature algorithm.
        pqc_asym: the responder's post-quantum signature algorithm.
        req_base_asym: the requester's signature algorithm.
        req_pqc_asym: the requester's post-quantum signature algorithm.
        dhe: the DHE group.
        kem: the key encapsulation mechanism.
        aead: the cipher suite of sessions.
        is_responder_multi_key: whether the responder uses several keys on this connection.
        is_requester_multi_key: whether the requester does.
        measurement_specification: the form of measurement blocks.
        measurement_hash: the hash of measurements.
        mel_specification: the form of the measurement extension log.
        opaque_format: the form of opaque data, from 1.2.
        requester_transfer_size: bytes of the largest message or chunk that the requester takes; None before 1.2.
        responder_transfer_size: the same of the responder.
        requester_message_size: bytes of the largest message in chunks that the requester takes; None before 1.2.
        responder_message_size: the same of the responder.
        requester_ct_exponent: cryptography takes the requester 2 to this microseconds.
        responder_ct_exponent: the same of the responder.
    """

    version: int
    requester: RequesterCapabilities = RequesterCapabilities(0)
    responder: ResponderCapabilities = ResponderCapabilities(0)
    base_hash: BaseHashAlgo = BaseHashAlgo(0)
    base_asym: BaseAsymAlgo = BaseAsymAlgo(0)
    pqc_asym: PqcAsymAlgo = PqcAsymAlgo(0)
    req_base_asym: BaseAsymAlgo = BaseAsymAlgo(0)
    req_pqc_asym: PqcAsymAlgo = PqcAsymAlgo(0)
    dhe: DheGroup = DheGroup(0)
    kem: KemAlgo = KemAlgo(0)
    aead: AeadSuite = AeadSuite(0)
    is_responder_multi_key: bool = False
    is_requester_multi_key: bool = False
    measurement_specification: MeasurementSpecification = MeasurementSpecification(0)
    measurement_hash: MeasurementHashAlgo = MeasurementHashAlgo(0)
    mel_specification: MelSpecification = MelSpecification(0)
    opaque_format: OtherParams = OtherParams(0)
    requester_transfer_size: int | None = None
    responder_transfer_size: int | None = None
    requester_message_size: int | None = None
    responder_message_size: int | None = None
    requester_ct_exponent: int = 0
    responder_ct_exponent: int = 0

    @classmethod
    def from_messages(
        cls,
        get_capabilities: GetCapabilities,
        capabilities: Capabilities,
        negotiate: NegotiateAlgorithms,
        selected: Algorithms,
    ) -> Self:
        """Take the result from the four messages that settle it."""
        chosen = {structure.alg_type: structure.alg_supported for structure in selected.alg_structures}
        is_multi_key = selected.version >= SpdmVersion.V1_3
        return cls(
            version=selected.version,
            requester=get_capabilities.flags or RequesterCapabilities(0),
            responder=capabilities.flags,
            base_hash=selected.base_hash_sel,
            base_asym=selected.base_asym_sel,
            pqc_asym=selected.pqc_asym_sel,
            req_base_asym=BaseAsymAlgo(chosen.get(AlgorithmType.REQ_BASE_ASYM_ALG, 0)),
            req_pqc_asym=PqcAsymAlgo(chosen.get(AlgorithmType.REQ_PQC_ASYM_ALG, 0)),
            dhe=DheGroup(chosen.get(AlgorithmType.DHE, 0)),
            kem=KemAlgo(chosen.get(AlgorithmType.KEM_ALG, 0)),
            aead=AeadSuite(chosen.get(AlgorithmType.AEAD, 0)),
            # each side states what the other one does
            is_responder_multi_key=is_multi_key and OtherParams.MULTI_KEY_CONN in negotiate.other_params_support,
            is_requester_multi_key=is_multi_key and OtherParams.MULTI_KEY_CONN in selected.other_params_selection,
            measurement_specification=selected.measurement_specification_sel,
            measurement_hash=selected.measurement_hash_algo,
            mel_specification=selected.mel_specification_sel,
            opaque_format=selected.other_params_selection & _OPAQUE_FORMATS,
            requester_transfer_size=get_capabilities.data_transfer_size,
            responder_transfer_size=capabilities.data_transfer_size,
            requester_message_size=get_capabilities.max_spdm_msg_size,
            responder_message_size=capabilities.max_spdm_msg_size,
            requester_ct_exponent=get_capabilities.ct_exponent or 0,
            responder_ct_exponent=capabilities.ct_exponent,
        )

    @property
    def is_handshake_in_the_clear(self) -> bool:
        """Whether FINISH travels outside the session, and verify data moves to its response."""
        return (
            RequesterCapabilities.HANDSHAKE_IN_THE_CLEAR_CAP in self.requester
            and ResponderCapabilities.HANDSHAKE_IN_THE_CLEAR_CAP in self.responder
        )

    @property
    def is_encrypted(self) -> bool:
        """Whether records are encrypted; with MAC_CAP alone they are only authenticated."""
        return (
            RequesterCapabilities.ENCRYPT_CAP in self.requester and ResponderCapabilities.ENCRYPT_CAP in self.responder
        )

    @property
    def key_schedule_digest_size(self) -> int:
        """Bytes of a digest of the base hash; 0 where none was selected."""
        return algorithms.digest_size(self.base_hash) if self.base_hash else 0

    @property
    def is_authenticated(self) -> bool:
        """Whether sessions are possible at all: records need MAC_CAP of both sides."""
        return RequesterCapabilities.MAC_CAP in self.requester and ResponderCapabilities.MAC_CAP in self.responder

    @property
    def can_chunk(self) -> bool:
        """Whether messages may travel in chunks."""
        return RequesterCapabilities.CHUNK_CAP in self.requester and ResponderCapabilities.CHUNK_CAP in self.responder

    @property
    def has_large_forms(self) -> bool:
        """Whether the large forms of GET_CERTIFICATE and vendor-defined messages are to be used, from 1.4."""
        return self.has_large_responses(of_requester=True) and self.has_large_responses(of_requester=False)

    def has_large_responses(self, *, of_requester: bool) -> bool:
        """Say whether one side answers in the large form of GET_CERTIFICATE, from 1.4."""
        requester = RequesterCapabilities.LARGE_RESP_CAP in self.requester
        responder = ResponderCapabilities.LARGE_RESP_CAP in self.responder
        return self.version >= SpdmVersion.V1_4 and (requester if of_requester else responder)

    @property
    def can_encapsulate(self) -> bool:
        """Whether the responder may ask, by the encapsulated flow."""
        by_mutual = self.version == SpdmVersion.V1_2  # which lets MUT_AUTH_CAP imply it
        requester = RequesterCapabilities.ENCAP_CAP | (RequesterCapabilities.MUT_AUTH_CAP if by_mutual else 0)
        responder = ResponderCapabilities.ENCAP_CAP | (ResponderCapabilities.MUT_AUTH_CAP if by_mutual else 0)
        return bool(self.requester & requester) and bool(self.responder & responder)

    @property
    def can_authenticate_requester(self) -> bool:
        """Whether mutual authentication is possible."""
        both = (
            RequesterCapabilities.MUT_AUTH_CAP in self.requester
            and ResponderCapabilities.MUT_AUTH_CAP in self.responder
        )
        return both and bool(self.req_base_asym or self.req_pqc_asym)

    @property
    def has_heartbeat(self) -> bool:
        """Whether sessions may have a heartbeat."""
        return RequesterCapabilities.HBEAT_CAP in self.requester and ResponderCapabilities.HBEAT_CAP in self.responder

    def transfer_size(self, *, to_requester: bool) -> int | None:
        """Return the bytes of the largest message or chunk that one side takes, None where it has not said."""
        return self.requester_transfer_size if to_requester else self.responder_transfer_size

    def message_size(self, *, to_requester: bool) -> int | None:
        """Return the bytes of the largest message in chunks that one side takes, None where it has not said."""
        return self.requester_message_size if to_requester else self.responder_message_size

    def describe(self) -> str:
        """Return what was agreed on as text, one fact a line: selections, sizes of fields, limits."""
        return "\n".join(f"{name:<28}{value}" for name, value in self._facts_in_words() if value not in (None, ""))

    def _facts_in_words(self) -> list[tuple[str, object]]:
        sized: list[tuple[str, WireFlag, Callable[[], object]]] = [
            ("base hash", self.base_hash, lambda: f"{algorithms.digest_size(self.base_hash)} bytes"),
            ("responder signature", self.base_asym, lambda: f"{algorithms.signature_size(self.base_asym)} bytes"),
            ("responder PQC signature", self.pqc_asym, lambda: f"{algorithms.signature_size(self.pqc_asym)} bytes"),
            (
                "requester signature",
                self.req_base_asym,
                lambda: f"{algorithms.signature_size(self.req_base_asym)} bytes",
            ),
            (
                "requester PQC signature",
                self.req_pqc_asym,
                lambda: f"{algorithms.signature_size(self.req_pqc_asym)} bytes",
            ),
            ("DHE group", self.dhe, lambda: _both(self.dhe)),
            ("KEM", self.kem, lambda: _both(self.kem)),
            ("AEAD", self.aead, lambda: f"key {algorithms.aead_algorithm(self.aead).key_size} bytes"),
            ("measurement hash", self.measurement_hash, lambda: _measured(self.measurement_hash)),
        ]
        return [
            ("version", f"{self.version >> _MAJOR_SHIFT}.{self.version & _MINOR_MASK}"),
            ("requester capabilities", " ".join(self.requester.names())),
            ("responder capabilities", " ".join(self.responder.names())),
            *((name, f"{selected.name} ({size()})" if selected else None) for name, selected, size in sized),
            ("opaque data", self.opaque_format.name),
            ("several keys", ", ".join(self._several_keys())),
            ("requester takes", _taken(self.requester_transfer_size, self.requester_message_size)),
            ("responder takes", _taken(self.responder_transfer_size, self.responder_message_size)),
            ("responder's crypto timeout", f"{1 << self.responder_ct_exponent} us"),
        ]

    def _several_keys(self) -> list[str]:
        sides = (("responder", self.is_responder_multi_key), ("requester", self.is_requester_multi_key))
        return [side for side, several in sides if several]

    @property
    def has_psk_finish(self) -> bool:
        """Whether PSK_FINISH follows PSK_EXCHANGE: the responder adds a context of its own."""
        return ResponderCapabilities.PSK_CAP_WITH_CONTEXT in self.responder

    def key_schedule(self) -> KeySchedule:
        """Return the key schedule of a session on this connection.

        Raises:
            ValueError: no hash or no AEAD was selected, or the version is none of 1.0 to 1.4.
        """
        hash_algorithm = algorithms.hash_algorithm(self.base_hash)
        return KeySchedule(self.version, hash_algorithm, algorithms.aead_algorithm(self.aead))

    def facts(
        self, cls: type[SpdmMessage], request: SpdmMessage | None = None, *, from_requester: bool
    ) -> dict[str, int]:
        """Return what ``cls.parse`` needs to be given.

        Args:
            cls: the message's class.
            request: for a response, what it answers.
            from_requester: whether the connection's requester sends the message, also inside the encapsulated flow.

        Raises:
            UnknownFactError: a size follows from nothing that was negotiated or asked.
        """
        return {name: self._fact(name, cls, request, from_requester) for name in cls.GIVEN}

    def _fact(self, name: str, cls: type[SpdmMessage], request: SpdmMessage | None, from_requester: bool) -> int:
        try:
            return self._FACTS[name](self, cls, request, from_requester)
        except ValueError:  # a selection of several algorithms, or of one without a name
            raise UnknownFactError(name) from None

    def _digest(self, cls: type[SpdmMessage], request: SpdmMessage | None, from_requester: bool) -> int:
        return algorithms.digest_size(self.base_hash) if self.base_hash else _unknown("digest")

    def _signature(self, cls: type[SpdmMessage], request: SpdmMessage | None, from_requester: bool) -> int:
        if cls.NAME in _SIGNED_ON_REQUEST and not _asked(request, "signature_requested", "signature"):
            return 0
        base, pqc = (self.req_base_asym, self.req_pqc_asym) if from_requester else (self.base_asym, self.pqc_asym)
        if not base and not pqc:
            return 0 if from_requester else _unknown("signature")
        return algorithms.signature_size(base or pqc)

    def _summary(self, cls: type[SpdmMessage], request: SpdmMessage | None, from_requester: bool) -> int:
        kind = _asked(request, "measurement_summary_hash_type", "summary")
        if kind == MeasurementSummaryHashType.NONE or not self.responder & _MEASUREMENT_CAPABILITIES:
            return 0
        return self._digest(cls, request, from_requester)

    def _exchange(self, cls: type[SpdmMessage], request: SpdmMessage | None, from_requester: bool) -> int:
        if not self.dhe and not self.kem:
            return _unknown("exchange")
        return algorithms.exchange_sizes(self.dhe or self.kem)[0 if from_requester else 1]

    def _verify_data(self, cls: type[SpdmMessage], request: SpdmMessage | None, from_requester: bool) -> int:
        absent = {True: SpdmCode.KEY_EXCHANGE_RSP, False: SpdmCode.FINISH_RSP}[self.is_handshake_in_the_clear]
        return 0 if absent.name == cls.NAME else self._digest(cls, request, from_requester)

    def _multi_key(self, cls: type[SpdmMessage], request: SpdmMessage | None, from_requester: bool) -> int:
        return int(self.is_requester_multi_key if from_requester else self.is_responder_multi_key)

    _FACTS: ClassVar[dict[str, Callable[[Negotiated, type[SpdmMessage], SpdmMessage | None, bool], int]]] = {
        "digest": _digest,
        "signature": _signature,
        "summary": _summary,
        "exchange": _exchange,
        "verify_data": _verify_data,
        "multi_key": _multi_key,
    }


def _measured(selected: MeasurementHashAlgo) -> str:
    size = algorithms.measurement_digest_size(selected)
    return f"{size} bytes" if size else "no digests"


def _both(selected: DheGroup | KemAlgo) -> str:
    request, response = algorithms.exchange_sizes(selected)
    return f"{request} and {response} bytes"


def _taken(transfer: int | None, whole: int | None) -> str | None:
    return None if transfer is None else f"{transfer} bytes at once, {whole} in chunks"


def _unknown(fact: str) -> NoReturn:
    raise UnknownFactError(fact)


def _asked(request: SpdmMessage | None, field: str, fact: str) -> int:
    """Return what the request asked for."""
    asked = getattr(request, field, None)
    return _unknown(fact) if asked is None else int(asked)
