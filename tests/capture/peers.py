"""Two peers that talk so that it can be captured: any version, any algorithms, every kind of session.

They speak pytio's codecs, derive with its key schedule and seal with its record ciphers; each of these is checked
against recorded traffic elsewhere. What goes into a transcript they put together on their own, by plain concatenation,
so that `pytio.spdm.transcript` is checked against a second reading of the rules. Signatures are random bytes: a
listener needs none of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

import attrs

from pytio.crypto import digest
from pytio.spdm import algorithms
from pytio.spdm.algorithms import (
    AeadSuite,
    AlgorithmType,
    BaseAsymAlgo,
    BaseHashAlgo,
    DheGroup,
    KemAlgo,
    MeasurementSpecification,
    OtherParams,
    PqcAsymAlgo,
)
from pytio.spdm.capabilities import RequesterCapabilities, ResponderCapabilities
from pytio.spdm.certificate_chain import CertificateChain
from pytio.spdm.codes import KeyUsage, MutAuthRequested, SpdmVersion
from pytio.spdm.key_schedule import KeySchedule
from pytio.spdm.messages.algorithms import Algorithms, AlgorithmStructure, NegotiateAlgorithms
from pytio.spdm.messages.base import SpdmMessage
from pytio.spdm.messages.capabilities import Capabilities, GetCapabilities
from pytio.spdm.messages.certificate import Certificate, GetCertificate
from pytio.spdm.messages.digests import CertificateInfo, Digests, GetDigests
from pytio.spdm.messages.key_exchange import KeyExchange, KeyExchangeRsp
from pytio.spdm.messages.psk import PskExchange, PskExchangeRsp
from pytio.spdm.messages.version import GetVersion, Version, VersionNumber
from pytio.spdm.opaque import LegacyOpaqueData, OpaqueData, supported_versions_element, version_selection_element
from pytio.spdm.records import SequenceOrder
from pytio.spdm.secured import session_id
from tests.capture.peer_session import PeerSession
from tests.capture.routes import Mctp, Route

Parts = list[tuple[str, bytes]]
"""What is signed, in order, each part with the name that the specification's formulas have for it."""

NONCE_BYTES: Final = 32
NO_MUTUAL_AUTH: Final = MutAuthRequested(0)

_REQUESTER: Final = (
    RequesterCapabilities.CERT_CAP
    | RequesterCapabilities.MAC_CAP
    | RequesterCapabilities.MUT_AUTH_CAP
    | RequesterCapabilities.KEY_EX_CAP
    | RequesterCapabilities.PSK_CAP
    | RequesterCapabilities.ENCAP_CAP
    | RequesterCapabilities.HBEAT_CAP
    | RequesterCapabilities.KEY_UPD_CAP
    | RequesterCapabilities.CHUNK_CAP
)
_RESPONDER: Final = (
    ResponderCapabilities.CERT_CAP
    | ResponderCapabilities.MAC_CAP
    | ResponderCapabilities.MUT_AUTH_CAP
    | ResponderCapabilities.KEY_EX_CAP
    | ResponderCapabilities.ENCAP_CAP
    | ResponderCapabilities.HBEAT_CAP
    | ResponderCapabilities.KEY_UPD_CAP
    | ResponderCapabilities.CHUNK_CAP
)


@attrs.frozen
class Terms:
    """What the peers agree on."""

    version: SpdmVersion = SpdmVersion.V1_2
    base_hash: BaseHashAlgo = BaseHashAlgo.SHA_384
    asym: BaseAsymAlgo = BaseAsymAlgo.ECDSA_P384
    pqc: PqcAsymAlgo = PqcAsymAlgo(0)
    aead: AeadSuite = AeadSuite.AES_256_GCM
    dhe: DheGroup = DheGroup.SECP_384_R1
    kem: KemAlgo = KemAlgo(0)
    secured_version: int = 0x11
    sequence_order: SequenceOrder = SequenceOrder.LITTLE
    is_in_the_clear: bool = False
    is_encrypted: bool = True
    has_psk_context: bool = True
    is_multi_key: bool = False

    @property
    def requester(self) -> RequesterCapabilities:
        """The requester's capabilities."""
        flags = _REQUESTER
        if self.is_in_the_clear:
            flags |= RequesterCapabilities.HANDSHAKE_IN_THE_CLEAR_CAP
        if self.is_encrypted:
            flags |= RequesterCapabilities.ENCRYPT_CAP
        return flags

    @property
    def responder(self) -> ResponderCapabilities:
        """The responder's capabilities."""
        flags = _RESPONDER
        psk = ResponderCapabilities.PSK_CAP_WITH_CONTEXT if self.has_psk_context else ResponderCapabilities.PSK_CAP
        flags |= psk
        if self.is_in_the_clear:
            flags |= ResponderCapabilities.HANDSHAKE_IN_THE_CLEAR_CAP
        if self.is_encrypted:
            flags |= ResponderCapabilities.ENCRYPT_CAP
        return flags

    @property
    def base_asym(self) -> BaseAsymAlgo:
        """The responder's classical signature algorithm, none beside a post-quantum one."""
        return BaseAsymAlgo(0) if self.pqc else self.asym

    @property
    def schedule(self) -> KeySchedule:
        """The key schedule of a session."""
        hash_algorithm = algorithms.hash_algorithm(self.base_hash)
        return KeySchedule(self.version, hash_algorithm, algorithms.aead_algorithm(self.aead))

    @property
    def hash_size(self) -> int:
        """Bytes of a digest."""
        return algorithms.digest_size(self.base_hash)


class Peers:
    """A requester and a responder on one connection."""

    def __init__(self, terms: Terms, route: Route | None = None, seed: int = 1) -> None:
        self.terms = terms
        self.route: Route = route or Mctp()
        self.random = random.Random(seed)
        self.between: Callable[[], None] = lambda: None
        """Called when KEY_EXCHANGE has been said, before it is answered."""
        self.slot_id = 0
        self.vca = b""
        self.digests = b""
        self.certificate_chain = self._chain(b"responder")
        self.requester_chain = self._chain(b"requester")

    def _chain(self, text: bytes) -> bytes:
        der = b"\x30" + bytes([len(text)]) + text
        return CertificateChain(root_hash=self.random.randbytes(self.terms.hash_size), certificate_list=der).build()

    def hashed(self, raw: bytes) -> bytes:
        """Return a digest of the negotiated hash."""
        return digest(algorithms.hash_algorithm(self.terms.base_hash), raw)

    def nonce(self, size: int = NONCE_BYTES) -> bytes:
        """Return random bytes."""
        return self.random.randbytes(size)

    def signature(self) -> bytes:
        """Return what stands for a signature."""
        return self.nonce(algorithms.signature_size(self.terms.pqc or self.terms.asym))

    def exchange_signature(self, covered: Parts) -> bytes:
        """Return the signature of KEY_EXCHANGE_RSP."""
        return self.signature()

    def finish_signature(self, covered: Parts) -> bytes:
        """Return the signature of FINISH."""
        return self.signature()

    def ask(self, message: SpdmMessage) -> bytes:
        """Let the requester say something in clear; return the bytes."""
        raw = message.build()
        self.route.clear(raw, is_request=True)
        return raw

    def answer(self, message: SpdmMessage) -> bytes:
        """Let the responder say something in clear; return the bytes."""
        raw = message.build()
        self.route.clear(raw, is_request=False)
        return raw

    def connect(self) -> None:
        """Exchange GET_VERSION to ALGORITHMS."""
        terms, version = self.terms, self.terms.version
        sizes: dict[str, Any] = (
            {"data_transfer_size": 4096, "max_spdm_msg_size": 65536} if version >= SpdmVersion.V1_2 else {}
        )
        parts = [
            self.ask(GetVersion()),
            self.answer(Version(version_number_entries=(VersionNumber.of(version),))),
            self.ask(
                GetCapabilities(version=version, flags=terms.requester, **sizes)
                if version >= SpdmVersion.V1_1
                else GetCapabilities(version=version)
            ),
            self.answer(Capabilities(version=version, flags=terms.responder, **sizes)),
            self.ask(
                NegotiateAlgorithms(
                    version=version,
                    measurement_specification=MeasurementSpecification.DMTF,
                    other_params_support=self._other(),
                    base_asym_algo=terms.base_asym,
                    pqc_asym_algo=terms.pqc,
                    base_hash_algo=terms.base_hash,
                    alg_structures=self._structures(),
                )
            ),
            self.answer(
                Algorithms(
                    version=version,
                    measurement_specification_sel=MeasurementSpecification.DMTF,
                    other_params_selection=self._other(),
                    base_asym_sel=terms.base_asym,
                    pqc_asym_sel=terms.pqc,
                    base_hash_sel=terms.base_hash,
                    alg_structures=self._structures(),
                )
            ),
        ]
        self.vca = b"".join(parts)
        self.digests = b""

    def _other(self) -> OtherParams:
        other = OtherParams.OPAQUE_DATA_FMT1 if self.terms.version >= SpdmVersion.V1_2 else OtherParams(0)
        return other | OtherParams.MULTI_KEY_CONN if self.terms.is_multi_key else other

    def _structures(self) -> tuple[AlgorithmStructure, ...]:
        terms = self.terms
        if terms.version < SpdmVersion.V1_1:
            return ()
        chosen: dict[AlgorithmType, Any] = {
            AlgorithmType.DHE: terms.dhe,
            AlgorithmType.AEAD: terms.aead,
            AlgorithmType.REQ_BASE_ASYM_ALG: terms.asym,
            AlgorithmType.KEY_SCHEDULE: algorithms.KeySchedule.SPDM,
            AlgorithmType.KEM_ALG: terms.kem,
        }
        return tuple(AlgorithmStructure(alg_type=kind, alg_supported=value) for kind, value in chosen.items() if value)

    def opaque(self, *, is_selection: bool) -> bytes:
        """Return opaque data that offer or select a version of secured messages."""
        element = (version_selection_element if is_selection else supported_versions_element)(
            self.terms.secured_version
        )
        table = OpaqueData if self.terms.version >= SpdmVersion.V1_2 else LegacyOpaqueData
        return table(elements=(element,)).build()

    def digests_of(self, chain: bytes) -> Digests:
        """Return the DIGESTS of a side with one chain, in slot 0."""
        several: dict[str, Any] = {}
        if self.terms.is_multi_key:
            several = {
                "key_pair_ids": (1,),
                "certificate_info": (CertificateInfo(),),
                "key_usage_masks": (KeyUsage.KEY_EX_USE,),
            }
        return Digests(version=self.terms.version, provisioned_slot_mask=1, digests=(self.hashed(chain),), **several)

    def certificate_of(self, chain: bytes) -> Certificate:
        """Return a CERTIFICATE with all of a chain."""
        return Certificate(version=self.terms.version, portion_length=len(chain), remainder_length=0, cert_chain=chain)

    def authenticate(self) -> None:
        """Exchange digests and certificate."""
        version = self.terms.version
        self.ask(GetDigests(version=version))
        raw = self.answer(self.digests_of(self.certificate_chain))
        self.digests = raw if self.terms.is_multi_key else b""
        self.ask(GetCertificate(version=version, slot_id=0, length=0xFFFF))
        self.answer(self.certificate_of(self.certificate_chain))

    def key_exchange(
        self, secret: bytes, ids: tuple[int, int] = (0xFFFF, 0xFFFF), mut_auth: MutAuthRequested = NO_MUTUAL_AUTH
    ) -> PeerSession:
        """Start a session with a shared secret; its handshake is not finished yet."""
        terms = self.terms
        schedule = terms.schedule
        sent, received = algorithms.exchange_sizes(terms.dhe or terms.kem)
        exchange = self.ask(
            KeyExchange(
                version=terms.version,
                slot_id=self.slot_id,
                req_session_id=ids[0],
                random_data=self.nonce(),
                exchange_data=self.nonce(sent),
                opaque_data=self.opaque(is_selection=False),
            )
        )
        response = KeyExchangeRsp(
            version=terms.version,
            rsp_session_id=ids[1],
            mut_auth_requested=mut_auth,
            random_data=self.nonce(),
            exchange_data=self.nonce(received),
            opaque_data=self.opaque(is_selection=True),
            signature=b"",
        )
        before = [("A", self.vca), ("D", self.digests), ("Ct", self.hashed(self.certificate_chain)), ("K", exchange)]
        response = response.replace(signature=self.exchange_signature([*before, ("K", response.build())]))
        th1 = b"".join(data for _, data in before) + response.build()
        handshake_secret = schedule.handshake_secret(secret)
        session = PeerSession(self, session_id(*ids), handshake_secret, th1)
        if not terms.is_in_the_clear:
            response = response.replace(responder_verify_data=session.verify_data("response", th1))
        self.between()
        self.answer(response)
        session.transcript += response.responder_verify_data
        session.is_mutual = bool(mut_auth)
        return session

    def psk_exchange(self, psk: bytes, ids: tuple[int, int] = (0xFFFE, 0xFFFE)) -> PeerSession:
        """Start a session with a pre-shared key; without context it is established at once."""
        terms = self.terms
        exchange = self.ask(
            PskExchange(
                version=terms.version,
                req_session_id=ids[0],
                psk_hint=b"hint",
                requester_context=self.nonce(),
                opaque_data=self.opaque(is_selection=False),
            )
        )
        response = PskExchangeRsp(
            version=terms.version,
            rsp_session_id=ids[1],
            responder_context=self.nonce() if terms.has_psk_context else b"",
            opaque_data=self.opaque(is_selection=True),
            responder_verify_data=b"",
        )
        th1 = self.vca + exchange + response.build()
        session = PeerSession(self, session_id(*ids), terms.schedule.psk_handshake_secret(psk), th1)
        session.is_psk = True
        verify_data = session.verify_data("response", th1)
        self.answer(response.replace(responder_verify_data=verify_data))
        session.transcript += verify_data
        if not terms.has_psk_context:
            session.establish()
        return session
