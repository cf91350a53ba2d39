"""What an SPDM endpoint is: its keys, certificate chains, measurements, capabilities, algorithms and limits, as data.

Everything here is frozen. An engine takes one `RequesterConfig` or `ResponderConfig` and changes nothing in it; what a
conversation changes, such as the slots that SET_CERTIFICATE writes, the engine keeps. This file knows no message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum
from typing import Final, TypeVar

import attrs

from pytio.crypto import (
    Certificate,
    HashAlgorithm,
    PublicKey,
    Secret,
    SignatureAlgorithm,
    SigningKey,
    digest,
)
from pytio.crypto.algorithms import Algorithm
from pytio.spdm import algorithms
from pytio.spdm.algorithms import (
    AeadSuite,
    BaseAsymAlgo,
    BaseHashAlgo,
    DheGroup,
    KemAlgo,
    MeasurementHashAlgo,
    OtherParams,
    PqcAsymAlgo,
)
from pytio.spdm.capabilities import ExtendedCapabilities, RequesterCapabilities, ResponderCapabilities
from pytio.spdm.certificate_chain import CertificateChain
from pytio.spdm.codes import (
    CertificateModel,
    DeviceModes,
    KeyPairCapabilities,
    KeyUsage,
    MeasurementValueType,
    OperationalModes,
    SpdmCode,
    SpdmVersion,
)
from pytio.spdm.messages.endpoint_info import DeviceClassIdentifiers
from pytio.spdm.messages.events import EventGroup
from pytio.spdm.messages.measurement_log import DmtfMeasurementExtensionLog
from pytio.spdm.messages.measurements import DeviceMode, DmtfMeasurement, MeasurementBlock
from pytio.wire import WireFlag

__all__ = (
    "ALL_VERSIONS",
    "AlgorithmSet",
    "EndpointConfig",
    "KeyPair",
    "Limits",
    "Measurement",
    "MutualAuthentication",
    "RequesterConfig",
    "ResponderConfig",
    "Slot",
    "Trust",
)

ALL_VERSIONS: Final = tuple(SpdmVersion)
"""1.0 to 1.4."""

F = TypeVar("F", bound=WireFlag)


def _computable(order: tuple[F, ...], kind: type[Algorithm]) -> tuple[F, ...]:
    """Return those members that the installed cryptography computes, in their order."""
    return tuple(member for member in order if kind[str(member.name)].is_supported())


_HASHES: Final = tuple(
    BaseHashAlgo[name] for name in ("SHA_512", "SHA_384", "SHA_256", "SHA3_512", "SHA3_384", "SHA3_256", "SM3_256")
)
_ASYM: Final = tuple(
    BaseAsymAlgo[name]
    for name in (
        *("ECDSA_P521", "ECDSA_P384", "ECDSA_P256", "RSAPSS_4096", "RSAPSS_3072", "RSAPSS_2048"),
        *("RSASSA_4096", "RSASSA_3072", "RSASSA_2048", "ED25519"),
    )
)
_PQC_ASYM: Final = (PqcAsymAlgo.ML_DSA_87, PqcAsymAlgo.ML_DSA_65, PqcAsymAlgo.ML_DSA_44)
_DHE: Final = tuple(
    DheGroup[name] for name in ("SECP_521_R1", "SECP_384_R1", "SECP_256_R1", "FFDHE_4096", "FFDHE_3072", "FFDHE_2048")
)
_KEM: Final = (KemAlgo.ML_KEM_1024, KemAlgo.ML_KEM_768, KemAlgo.ML_KEM_512)
_AEAD: Final = (AeadSuite.AES_256_GCM, AeadSuite.AES_128_GCM, AeadSuite.CHACHA20_POLY1305, AeadSuite.SM4_GCM)


def _default_hashes() -> tuple[BaseHashAlgo, ...]:
    return _computable(_HASHES, HashAlgorithm)


def _default_measurement_hashes() -> tuple[MeasurementHashAlgo, ...]:
    return tuple(MeasurementHashAlgo[str(member.name)] for member in _default_hashes())


def _default_asym() -> tuple[BaseAsymAlgo, ...]:
    return _computable(_ASYM, SignatureAlgorithm)


def _default_pqc_asym() -> tuple[PqcAsymAlgo, ...]:
    return _computable(_PQC_ASYM, SignatureAlgorithm)


def _default_dhe() -> tuple[DheGroup, ...]:
    from pytio.crypto import ExchangeAlgorithm  # noqa: PLC0415  only a default needs it

    return _computable(_DHE, ExchangeAlgorithm)


def _default_kem() -> tuple[KemAlgo, ...]:
    from pytio.crypto import KemAlgorithm  # noqa: PLC0415  only a default needs it

    return _computable(_KEM, KemAlgorithm)


def _default_aead() -> tuple[AeadSuite, ...]:
    from pytio.crypto import AeadAlgorithm  # noqa: PLC0415  only a default needs it

    return _computable(_AEAD, AeadAlgorithm)


@attrs.frozen
class AlgorithmSet:
    """The algorithms that a side is ready to use, each list in order of preference.

    The default is everything that the installed ``cryptography`` computes, in the order of the reference
    implementation. What it cannot compute is never offered and never selected, even where it is listed: SM2, SLH-DSA,
    ML-KEM-512, and Ed448, since it takes no context.
    """

    hashes: tuple[BaseHashAlgo, ...] = attrs.field(factory=_default_hashes)
    """Of transcripts and keys."""
    asym: tuple[BaseAsymAlgo, ...] = attrs.field(factory=_default_asym)
    """Of the responder's signatures."""
    pqc_asym: tuple[PqcAsymAlgo, ...] = attrs.field(factory=_default_pqc_asym)
    """Of the responder's signatures, from 1.4."""
    req_asym: tuple[BaseAsymAlgo, ...] = attrs.field(factory=_default_asym)
    """Of the requester's signatures."""
    req_pqc_asym: tuple[PqcAsymAlgo, ...] = attrs.field(factory=_default_pqc_asym)
    """Of the requester's signatures, from 1.4."""
    dhe: tuple[DheGroup, ...] = attrs.field(factory=_default_dhe)
    """Of key exchange."""
    kem: tuple[KemAlgo, ...] = attrs.field(factory=_default_kem)
    """Of key exchange, from 1.4."""
    aead: tuple[AeadSuite, ...] = attrs.field(factory=_default_aead)
    """Of records."""
    measurement_hashes: tuple[MeasurementHashAlgo, ...] = attrs.field(factory=_default_measurement_hashes)
    """Of measurements; the responder's alone to choose."""
    opaque_formats: tuple[OtherParams, ...] = (OtherParams.OPAQUE_DATA_FMT1,)
    """Of opaque data, from 1.2; sessions need the second one, OpaqueDataFmt1."""
    is_pqc_first: bool = False
    """Whether post-quantum algorithms are preferred where both kinds are possible."""


@attrs.frozen
class KeyPair:
    """One of an endpoint's key pairs, numbered from 1 in the order of its configuration (DSP0274, KEY_PAIR_INFO)."""

    key: SigningKey
    """What signs."""
    usage: KeyUsage = (
        KeyUsage.KEY_EX_USE | KeyUsage.CHALLENGE_USE | KeyUsage.MEASUREMENT_USE | KeyUsage.ENDPOINT_INFO_USE
    )
    """What it signs on connections with several keys."""
    usage_capabilities: KeyUsage | None = None
    """What it may be set to sign; None for just what it signs."""
    capabilities: KeyPairCapabilities = KeyPairCapabilities(0)
    """What SET_KEY_PAIR_INFO may change."""
    generate: Callable[[], SigningKey] | None = None
    """What makes a new key of the same kind, for GEN_KEY_CAP."""

    def serves(self, algorithm: SignatureAlgorithm) -> bool:
        """Say whether the key signs by an algorithm."""
        return algorithm in self.key.public_key.algorithms


@attrs.frozen
class Slot:
    """A certificate slot: a chain, and the key pair its leaf is for."""

    certificates: tuple[bytes, ...] = ()
    """DER, the root first, the leaf last; none for a slot that holds a key only."""
    key_pair_id: int = 1
    """Which of the configuration's key pairs."""
    model: CertificateModel = CertificateModel.DEVICE_CERT
    """What the leaf stands for."""
    root: bytes | None = None
    """DER of the root, where the chain leaves it out."""
    root_hash: bytes | None = None
    """RootHash under the hash it came with, where the chain leaves the root out and nobody has it."""
    storage_bytes: int = 0x10000
    """How much the slot can hold."""

    def chain(self, hash_algorithm: HashAlgorithm) -> bytes:
        """Return the chain structure under a base hash; empty where there is no chain."""
        if not self.certificates:
            return b""
        root_hash = digest(hash_algorithm, self.root or self.certificates[0])
        if self.root_hash is not None and len(self.root_hash) == hash_algorithm.digest_size:
            root_hash = self.root_hash
        return CertificateChain(root_hash=root_hash, certificate_list=b"".join(self.certificates)).build()


@attrs.frozen
class Trust:
    """Whom an endpoint believes."""

    roots: tuple[Certificate, ...] | None = None
    """Trusted roots; None to examine a chain without asking whether its root is trusted."""
    at: datetime | None = None
    """The time of judging; None to take a time at which every certificate is valid, if there is one."""
    public_keys: tuple[PublicKey, ...] = ()
    """Keys of the peer that were provisioned out of band, for PUB_KEY_ID_CAP; the first that serves counts."""
    chains: Mapping[int, bytes] = attrs.field(factory=dict)
    """Certificate chain structures of the peer that are known beforehand, by slot; they are examined when needed."""


_DEVICE_MODE_STATE: Final = DeviceModes.NON_INVASIVE_DEBUG_ACTIVE | DeviceModes.NON_INVASIVE_DEBUG_HAS_BEEN_ACTIVE


@attrs.frozen
class Measurement:
    """One measurement of a responder, as raw bytes; it is hashed when a digest is asked for."""

    index: int
    """1 to 0xFE."""
    value_type: MeasurementValueType
    """What is measured."""
    value: bytes
    """The raw bit stream; for HASH_EXTEND the digest itself."""
    is_raw_only: bool = False
    """Whether it is always sent raw, as are device modes, version numbers and manifests."""
    is_in_tcb: bool = False
    """Whether it counts for the summary hash of the TCB."""

    @classmethod
    def device_mode(cls, mode: DeviceMode | None = None) -> Measurement:
        """Return the measurement at 0xFE: in which mode the device is."""
        default = DeviceMode(
            operational_mode_capabilities=OperationalModes.NORMAL,
            operational_mode_state=OperationalModes.NORMAL,
            device_mode_capabilities=_DEVICE_MODE_STATE,
        )
        return cls(0xFE, MeasurementValueType.DEVICE_MODE, (mode or default).build(), is_raw_only=True)

    def block(self, hash_algorithm: HashAlgorithm | None, *, is_raw: bool) -> MeasurementBlock:
        """Return the measurement block: raw, or hashed by the measurement hash; raw, too, where there is no hash."""
        raw = is_raw or self.is_raw_only or hash_algorithm is None
        is_digest_already = self.value_type == MeasurementValueType.HASH_EXTEND
        value = self.value
        if not raw and hash_algorithm is not None and not is_digest_already:
            value = digest(hash_algorithm, self.value)
        head = bytes([int(self.value_type) | (0x80 if raw and not is_digest_already else 0)])
        measurement = DmtfMeasurement.parse(head + len(value).to_bytes(2, "little") + value)
        return MeasurementBlock(index=self.index, measurement=measurement)


class MutualAuthentication(Enum):
    """How a responder has the requester authenticate itself in a key exchange."""

    NONE = "not at all"
    WITHOUT_ENCAPSULATION = "FINISH with a signature by a key that is known already"
    WITH_ENCAPSULATION = "digests and certificate by the encapsulated flow"
    WITH_DIGESTS = "the same, beginning with digests that are not asked for"


@attrs.frozen
class Limits:
    """How much an endpoint takes, and how long it takes."""

    data_transfer_size: int = 0x1200
    """Bytes of the largest message, or chunk message, that it receives; at least 42."""
    max_spdm_msg_size: int = 0x28000
    """Bytes of the largest message in chunks; without CHUNK_CAP ``data_transfer_size`` is sent instead."""
    send_size: int | None = None
    """Bytes of the largest message, or chunk message, that it sends; None for as much as the peer receives."""
    ct_exponent: int = 20
    """Cryptography takes at most 2^CTExponent microseconds."""
    max_sessions: int = 4
    """How many sessions at once."""


_REQUESTER_CAPABILITIES: Final = (
    RequesterCapabilities.ENCRYPT_CAP
    | RequesterCapabilities.MAC_CAP
    | RequesterCapabilities.KEY_EX_CAP
    | RequesterCapabilities.HBEAT_CAP
    | RequesterCapabilities.KEY_UPD_CAP
    | RequesterCapabilities.CHUNK_CAP
    | RequesterCapabilities.LARGE_RESP_CAP
    | RequesterCapabilities.ENCAP_CAP
)
_RESPONDER_CAPABILITIES: Final = (
    ResponderCapabilities.CERT_CAP
    | ResponderCapabilities.CHAL_CAP
    | ResponderCapabilities.MEAS_CAP_SIG
    | ResponderCapabilities.MEAS_FRESH_CAP
    | ResponderCapabilities.ENCRYPT_CAP
    | ResponderCapabilities.MAC_CAP
    | ResponderCapabilities.KEY_EX_CAP
    | ResponderCapabilities.HBEAT_CAP
    | ResponderCapabilities.KEY_UPD_CAP
    | ResponderCapabilities.CHUNK_CAP
    | ResponderCapabilities.LARGE_RESP_CAP
    | ResponderCapabilities.ENCAP_CAP
)


@attrs.frozen(kw_only=True)
class EndpointConfig:
    """What both roles are."""

    versions: tuple[SpdmVersion, ...] = ALL_VERSIONS
    """The SPDM versions it speaks."""
    algorithms: AlgorithmSet = attrs.field(factory=AlgorithmSet)
    """The algorithms it is ready to use."""
    limits: Limits = Limits()
    """How much it takes."""
    extended_capabilities: ExtendedCapabilities = ExtendedCapabilities(0)
    """ExtFlags."""
    key_pairs: tuple[KeyPair, ...] = ()
    """Its keys; the first is number 1."""
    slots: Mapping[int, Slot] = attrs.field(factory=dict)
    """Its certificate chains, by slot."""
    raw_public_key_pair: int | None = None
    """The key pair whose public key the peer knows out of band, for PUB_KEY_ID_CAP."""
    trust: Trust = Trust()
    """Whom it believes."""
    pre_shared_keys: Mapping[bytes, Secret] = attrs.field(factory=dict, repr=lambda keys: f"<{len(keys)} keys>")
    """Pre-shared keys by hint."""
    secured_versions: tuple[int, ...] = (0x10, 0x11, 0x12)
    """The versions of secured messages, as 0x12 for 1.2."""
    aead_limit_exponent: int = 64
    """Sequence numbers stay below 2 to this."""
    psk_context_bytes: int = 64
    """The size of the context it adds to a pre-shared key; at least 32 from a requester."""
    endpoint_info: DeviceClassIdentifiers = attrs.field(factory=DeviceClassIdentifiers)
    """What ENDPOINT_INFO tells."""
    event_groups: tuple[EventGroup, ...] = ()
    """The events it can tell, for EVENT_CAP."""

    def key_pair(self, key_pair_id: int) -> KeyPair | None:
        """Return a key pair by its number, None where there is none."""
        return self.key_pairs[key_pair_id - 1] if 1 <= key_pair_id <= len(self.key_pairs) else None

    def can_sign(self, selected: BaseAsymAlgo | PqcAsymAlgo) -> bool:
        """Say whether one of the keys that a slot, or the peer, knows signs by an algorithm."""
        algorithm = algorithms.signature_algorithm(selected)
        ids = {slot.key_pair_id for slot in self.slots.values()} | {self.raw_public_key_pair or 0}
        return any(pair is not None and pair.serves(algorithm) for pair in map(self.key_pair, ids))


@attrs.frozen(kw_only=True)
class RequesterConfig(EndpointConfig):
    """Everything about a requester; the default one has no keys, and asks everything that it can without."""

    capabilities: RequesterCapabilities = _REQUESTER_CAPABILITIES
    """Flags of GET_CAPABILITIES; what the negotiated version does not know is left out."""
    asks_for_supported_algorithms: bool = False
    """Whether CAPABILITIES shall list the responder's algorithms, from 1.3; needs CHUNK_CAP."""
    is_responder_multi_key: bool = True
    """Whether the responder shall use several keys where that is negotiable, from 1.3."""
    busy_retries: int = 0
    """How often a request that is answered Busy is repeated."""
    busy_delay_s: float = 0.1
    """How long to wait before."""
    certificate_portion_bytes: int | None = None
    """How much of a chain to ask for at once; None for as much as one message holds."""


@attrs.frozen(kw_only=True)
class ResponderConfig(EndpointConfig):
    """Everything about a responder."""

    capabilities: ResponderCapabilities = _RESPONDER_CAPABILITIES
    """Flags of CAPABILITIES; what the negotiated version does not know is left out."""
    measurements: tuple[Measurement, ...] = ()
    """What GET_MEASUREMENTS tells, in order of the indices."""
    measurement_log: DmtfMeasurementExtensionLog = attrs.field(factory=DmtfMeasurementExtensionLog)
    """What GET_MEASUREMENT_EXTENSION_LOG tells."""
    heartbeat_period_s: int = 0
    """Of sessions; 0 for none."""
    mutual_authentication: MutualAuthentication = MutualAuthentication.NONE
    """What key exchanges ask of requesters that have MUT_AUTH_CAP."""
    is_mutual_authentication_mandatory: bool = False
    """Whether a key exchange with a requester that lacks it is refused."""
    has_basic_mutual_authentication: bool = False
    """Whether CHALLENGE_AUTH asks for it, too."""
    requester_slot: int = 0
    """The requester's slot to ask for, or 0xFF."""
    is_requester_multi_key: bool = True
    """Whether the requester shall use several keys where that is negotiable, from 1.3."""
    challenge_opaque_data: bytes = b""
    """OpaqueData of CHALLENGE_AUTH."""
    measurement_opaque_data: bytes = b""
    """OpaqueData of MEASUREMENTS."""
    deferred_s: Mapping[SpdmCode, float] = attrs.field(factory=dict)
    """Requests that are answered ResponseNotReady first, and how long they take then."""
    is_trusted_environment: bool = False
    """Whether any slot may be written outside a session."""
    drops_after_decrypt_error: bool = False
    """Whether a record that does not open ends its session without a word."""
    needs_reset_for_certificates: bool = False
    """Whether CSRs and installed chains come only after `Responder.device_reset`, for CERT_INSTALL_RESET_CAP."""
    checks_installed_keys: bool = True
    """Whether an installed chain has to certify its slot's key."""
