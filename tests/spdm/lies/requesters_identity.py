"""How requesters lie about who they are, and write what they may not (DSP0274)."""

from __future__ import annotations

import attrs
from cryptography import x509

from pytio.crypto import digest
from pytio.spdm.algorithms import BaseAsymAlgo
from pytio.spdm.capabilities import ResponderCapabilities
from pytio.spdm.certificate_chain import CertificateChain
from pytio.spdm.codes import KeyUpdateOperation, SpdmCode, SpdmErrorCode, SpdmVersion
from pytio.spdm.events import PeerAuthenticated
from pytio.spdm.messages.provisioning import SetCertificate
from pytio.spdm.requests import Authenticate, ReadDigests, StartSession, UpdateKeys
from pytio.spdm.session import Side
from tests.crypto.authority import Chain
from tests.spdm.lies.telling import (
    FLOW,
    Edit,
    delivered,
    delivered_so,
    flip,
    in_clear,
    lie,
    put,
    refused,
    turned_away,
)
from tests.spdm.pair import Pair, identity
from tests.spdm.test_engine_flows import mutual_pair
from tests.spdm.test_engine_sessions import both, ready, started

P, E = ResponderCapabilities, SpdmErrorCode
V1_2, V1_3 = SpdmVersion.V1_2, SpdmVersion.V1_3


# the encapsulated flow


def asked() -> Pair:
    """Return two endpoints of which the responder has asked for digests, outside any session."""
    two = mutual_pair(V1_2)
    two.responder.ask(ReadDigests())
    assert in_clear(two, "12ea0000")[1] == SpdmCode.ENCAPSULATED_REQUEST
    return two


@lie
def an_answer_to_another_question() -> None:
    two = asked()
    digests = two.requester.identity.digests().build()
    refused(two, bytes.fromhex("12eb0200") + digests, E.INVALID_REQUEST)


@lie
def an_answer_in_a_session_to_a_question_outside() -> None:
    two = mutual_pair(V1_2)
    number = started(two)
    two.responder.ask(ReadDigests())
    assert in_clear(two, "12ea0000")[1] == SpdmCode.ENCAPSULATED_REQUEST
    digests = two.requester.identity.digests().build()
    refused(two, bytes.fromhex("12eb0100") + digests, E.UNEXPECTED_REQUEST, number)


def challenged(edit: Edit | None = None, version: SpdmVersion = V1_3) -> Pair:
    """Return two endpoints of which the requester answers the responder's challenge crookedly."""
    two = mutual_pair(version, has_basic_mutual_authentication=True)
    if edit is not None:
        delivered_so(two, SpdmCode.CHALLENGE_AUTH, edit)
    return two


def unauthenticated(two: Pair) -> None:
    """The responder does not believe who the requester is."""
    turned_away(two, Authenticate(), E.INVALID_RESPONSE_CODE)
    assert not any(isinstance(event, PeerAuthenticated) for event in two.answered)


@lie
def a_challenge_answered_by_something_that_proves_nothing() -> None:
    two = challenged()
    delivered(two, SpdmCode.CHALLENGE_AUTH, lambda message: bytes([V1_3, SpdmCode.EVENT_ACK, 0, 0]))
    unauthenticated(two)


@lie
def a_challenge_of_the_responder_answered_for_another_slot() -> None:
    unauthenticated(challenged(put(2, 1)))


@lie
def a_challenge_of_the_responder_answered_with_another_chain_hash() -> None:
    unauthenticated(challenged(flip(4)))


@lie
def a_challenge_of_the_responder_answered_with_another_context() -> None:
    size = mutual_pair(V1_3).responder.hash_algorithm.digest_size
    unauthenticated(challenged(flip(4 + size + 32 + 2)))


@lie
def a_challenge_of_the_responder_answered_without_the_key() -> None:
    two = challenged()
    delivered(two, SpdmCode.CHALLENGE_AUTH, flip(-1))
    unauthenticated(two)


@lie
def a_requester_chain_of_another_slot() -> None:
    """In a handshake in the clear, where no signature covers CERTIFICATE itself."""
    two = mutual_pair(V1_2, in_clear=True, mutual_authentication=FLOW)
    delivered(two, SpdmCode.CERTIFICATE, put(2, 1))
    turned_away(two, StartSession(), E.INVALID_RESPONSE_CODE)


@lie
def a_key_update_of_the_responder_acknowledged_wrongly() -> None:
    two = mutual_pair(V1_2)
    number = started(two)
    two.responder.ask(UpdateKeys(KeyUpdateOperation.UPDATE_KEY), session=number)
    mine, theirs = both(two, number)
    record = mine.seal(Side.REQUEST, bytes.fromhex("12ea0000"), two.requester.provider)
    two.responder.receive(record, now=two.now, is_secured=True)
    answer = two.responder.bytes_to_send()
    assert answer is not None
    question = mine.rules.framing.unwrap(mine.open(Side.RESPONSE, answer))
    before = theirs.direction(Side.RESPONSE).secret
    wrong = bytes.fromhex("12eb0100 126901") + bytes([question[7] ^ 1])
    refused(two, wrong, E.INVALID_RESPONSE_CODE, number)
    assert theirs.direction(Side.RESPONSE).secret == before


# provisioning


def installing(two: Pair, certificates: tuple[bytes, ...], slot: int = 0) -> bytes:
    """Return SET_CERTIFICATE with a chain."""
    root_hash = digest(two.responder.hash_algorithm, certificates[0])
    chain = CertificateChain(root_hash=root_hash, certificate_list=b"".join(certificates)).build()
    return SetCertificate(version=V1_2, slot_id=slot, chain_content=chain[4:]).build()


def writable() -> Pair:
    """Return two endpoints one of which takes certificates."""
    return ready(responder=P.SET_CERT_CAP)


@lie
def a_slot_written_from_outside() -> None:
    two = writable()
    refused(two, installing(two, identity(BaseAsymAlgo.ECDSA_P256).certificates, 1), E.UNEXPECTED_REQUEST)


@lie
def a_chain_for_another_key() -> None:
    two = writable()
    refused(two, installing(two, identity(BaseAsymAlgo.ECDSA_P256, number=1).certificates), E.UNSPECIFIED)


@lie
def a_chain_that_breaks_a_constraint() -> None:
    """Its root allows no issuer below, and there is one."""
    two = writable()
    two.responder.config = attrs.evolve(two.responder.config, checks_installed_keys=False)
    chain = Chain("P-256")
    chain.root.basic_constraints = x509.BasicConstraints(ca=True, path_length=0)
    refused(two, installing(two, tuple(certificate.der for certificate in chain.issue())), E.UNSPECIFIED)


@lie
def a_chain_whose_leaf_signs_certificates() -> None:
    two = writable()
    two.responder.config = attrs.evolve(two.responder.config, checks_installed_keys=False)
    chain = Chain("P-256")
    chain.leaf.basic_constraints = x509.BasicConstraints(ca=True, path_length=None)
    refused(two, installing(two, tuple(certificate.der for certificate in chain.issue())), E.UNSPECIFIED)


@lie
def a_chain_that_another_issuer_signed() -> None:
    two = writable()
    two.responder.config = attrs.evolve(two.responder.config, checks_installed_keys=False)
    chain, other = Chain("P-256"), Chain("P-256")
    other.issuer.key = other.leaf.key
    leaf = chain.leaf.issued_by(other.issuer, issuer_name=chain.issuer.subject)
    refused(two, installing(two, tuple(one.der for one in (*chain.issue()[:2], leaf))), E.UNSPECIFIED)
