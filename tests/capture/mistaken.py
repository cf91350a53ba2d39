"""One capture for each known mistake: what peers say that make it, and make no other.

``python -m tests.capture.mistaken FOLDER`` writes the captures as files, each with its secrets beside it in its name.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pytio.crypto import HashAlgorithm, byte_reversed, digest
from pytio.spdm.algorithms import PqcAsymAlgo
from pytio.spdm.codes import MutAuthRequested, SpdmErrorCode, SpdmVersion
from pytio.spdm.messages.error import Error
from pytio.spdm.mistakes import KnownMistake
from tests.capture.peer_session import PeerSession
from tests.capture.peers import NO_MUTUAL_AUTH, Parts, Terms
from tests.capture.routes import write
from tests.capture.signing_peers import Covering, Making, SigningPeers, properly

SECRET: Final = bytes(range(48))
"""The shared secret of every session."""

V1_1: Final = Terms(SpdmVersion.V1_1)
V1_3_MULTI_KEY: Final = Terms(SpdmVersion.V1_3, is_multi_key=True)


def connected(
    terms: Terms = Terms(),  # noqa: B008  a frozen value
    *,
    covering: Covering = lambda peers, parts: parts,
    making: Making = properly,
    leaves_root_out: bool = False,
) -> SigningPeers:
    """Return peers that have negotiated and shown the certificate of slot 0."""
    peers = SigningPeers(terms, covering=covering, making=making, leaves_root_out=leaves_root_out)
    peers.connect()
    peers.authenticate()
    return peers


def without(*rules: str) -> Covering:
    """Leave out parts."""
    return lambda peers, parts: [part for part in parts if part[0] not in rules]


def no_vca() -> SigningPeers:
    peers = connected(covering=without("A"))
    peers.challenge()
    return peers


def with_vca() -> SigningPeers:
    peers = connected(V1_1, covering=lambda peers, parts: [*peers.vca_parts, *parts])
    peers.measure()
    return peers


def last_pair_only() -> SigningPeers:
    peers = connected(covering=lambda peers, parts: [parts[0], *parts[-2:]])
    peers.measure(1, is_signed=False)
    peers.measure(2)
    return peers


def missing_reset() -> SigningPeers:
    """An error ends what was measured before it."""
    peers = connected(covering=lambda peers, parts: [*peers.vca_parts, *kept, *parts[1:]])
    peers.measure(1, is_signed=False)
    kept, peers.l = peers.l, []
    peers.inquire(9)
    peers.answer(Error(version=SpdmVersion.V1_2, error_code=SpdmErrorCode.INVALID_REQUEST))
    peers.measure(2)
    return peers


def failed_attempt() -> SigningPeers:
    """A challenge is sent again, since no answer came; both are covered."""

    def covering(peers: SigningPeers, parts: Parts) -> Parts:
        return [*parts[:-2], ("C", first), *parts[-2:]]

    peers = connected(covering=covering)
    first = peers.demand()
    peers.challenge()
    return peers


def failed_attempt_with_error() -> SigningPeers:
    """A challenge is put off by ERROR Busy; nothing of that is forgotten."""

    def covering(peers: SigningPeers, parts: Parts) -> Parts:
        return [*peers.vca_parts, *kept, ("C", first), ("C", error), *parts[-2:]]

    peers = connected(covering=covering)
    first = peers.demand()
    error = peers.answer(Error(version=SpdmVersion.V1_2, error_code=SpdmErrorCode.BUSY))
    kept, peers.b = peers.b, []
    peers.challenge()
    return peers


def missing_reset_of_certificates() -> SigningPeers:
    """GET_DIGESTS begins anew, and what was read before stays."""
    peers = connected(covering=lambda peers, parts: [*peers.vca_parts, *kept, *parts[1:]])
    kept = peers.b
    peers.authenticate()
    peers.challenge()
    return peers


def missing_reset_after_a_signature() -> SigningPeers:
    """A signature ends what was measured before it, too."""
    peers = connected()
    peers.measure(1)
    first = [("L", peers.log[-2]), ("L", peers.log[-1][: -peers.algorithm.signature_size])]
    peers.covering = lambda peers, parts: [*peers.vca_parts, *first, *parts[1:]]
    peers.measure(2)
    return peers


def padding() -> SigningPeers:
    def padded(peers: SigningPeers, parts: Parts) -> Parts:
        return [*((rule, data + bytes(-len(data) % 4)) for rule, data in parts[:-1]), parts[-1]]

    peers = connected(covering=padded)
    peers.measure(1, is_signed=False)
    peers.measure(2)
    return peers


def of_chain(change: Callable[[SigningPeers], bytes]) -> Covering:
    """Put something else in the place of the hash of the chain."""
    return lambda peers, parts: [(rule, change(peers) if rule == "Ct" else data) for rule, data in parts]


def exchanged(peers: SigningPeers) -> SigningPeers:
    """Let peers start a session and use it."""
    peers.key_exchange(SECRET).finish().beat()
    return peers


def without_root() -> SigningPeers:
    return exchanged(connected(covering=of_chain(lambda peers: peers.hashed(peers.chain_of(peers.certificates[1:])))))


def with_root() -> SigningPeers:
    """The chain of slot 0 leaves the root out; that of slot 1 has it."""
    covering = of_chain(lambda peers: peers.hashed(peers.chain_of(peers.certificates)))
    peers = connected(covering=covering, leaves_root_out=True)
    peers.read_other_slot()
    return exchanged(peers)


def certificates_only() -> SigningPeers:
    return exchanged(connected(covering=of_chain(lambda peers: peers.hashed(b"".join(peers.certificates)))))


def chain_not_hashed() -> SigningPeers:
    return exchanged(connected(covering=of_chain(lambda peers: peers.certificate_chain)))


def no_chain() -> SigningPeers:
    return exchanged(connected(covering=without("Ct")))


def no_digests() -> SigningPeers:
    return exchanged(connected(V1_3_MULTI_KEY, covering=without("D")))


def with_digests() -> SigningPeers:
    return exchanged(connected(covering=lambda peers, parts: [parts[0], peers.b[1], *parts[1:]]))


def with_verify_data(
    change: Callable[[PeerSession, str, bytes], bytes], mut_auth: MutAuthRequested = NO_MUTUAL_AUTH
) -> SigningPeers:
    """Let the requester be mistaken in the verify data of FINISH."""
    peers = connected()
    session = peers.key_exchange(SECRET, mut_auth=mut_auth)
    if mut_auth:
        session.show_requester()
    session.verify_data = lambda side, covered: change(session, side, covered)  # type: ignore[method-assign]
    session.finish()
    return peers


def right(session: PeerSession, side: str, covered: bytes) -> bytes:
    """Make verify data as it should be."""
    return PeerSession.verify_data(session, side, covered)


def no_verify_data() -> SigningPeers:
    size = HashAlgorithm.SHA_384.digest_size
    return with_verify_data(
        lambda session, side, covered: right(session, side, covered.replace(session.transcript[-size:], b""))
    )


def no_requester_chain() -> SigningPeers:
    def change(session: PeerSession, side: str, covered: bytes) -> bytes:
        return right(session, side, covered.replace(session.peers.hashed(session.peers.requester_chain), b""))

    return with_verify_data(change, MutAuthRequested.MUT_AUTH_REQUESTED_WITH_ENCAP_REQUEST)


def other_direction() -> SigningPeers:
    return with_verify_data(lambda session, side, covered: right(session, "response", covered))


def challenged(making: Making, terms: Terms = Terms()) -> SigningPeers:  # noqa: B008  a frozen value
    """Return peers of which one makes the signature of a challenge in a way of its own."""
    peers = connected(terms, making=making)
    peers.read_other_slot()
    peers.challenge()
    return peers


def older_form() -> SigningPeers:
    return challenged(lambda peers, purpose, transcript: peers.signed(peers.hashed(transcript), is_digest=True))


def newer_form() -> SigningPeers:
    return challenged(
        lambda peers, purpose, transcript: peers.signed(peers.prefix(purpose, "1.2") + peers.hashed(transcript)), V1_1
    )


def other_version() -> SigningPeers:
    return challenged(
        lambda peers, purpose, transcript: peers.signed(peers.prefix(purpose, "1.2") + peers.hashed(transcript)),
        Terms(SpdmVersion.V1_3),
    )


def other_purpose() -> SigningPeers:
    return challenged(lambda peers, purpose, transcript: properly(peers, b"responder-measurements signing", transcript))


def no_context() -> SigningPeers:
    return challenged(
        lambda peers, purpose, transcript: peers.signed(peers.prefix(purpose) + peers.hashed(transcript)),
        Terms(SpdmVersion.V1_4, pqc=PqcAsymAlgo.ML_DSA_65),
    )


def not_hashed() -> SigningPeers:
    return challenged(lambda peers, purpose, transcript: peers.signed(peers.prefix(purpose) + transcript))


def other_hash() -> SigningPeers:
    def making(peers: SigningPeers, purpose: bytes, transcript: bytes) -> bytes:
        message = peers.prefix(purpose) + digest(HashAlgorithm.SHA_256, transcript)
        return peers.signed(message, hash_algorithm=HashAlgorithm.SHA_256)

    return challenged(making)


def little_endian() -> SigningPeers:
    return challenged(
        lambda peers, purpose, transcript: byte_reversed(peers.algorithm, properly(peers, purpose, transcript))
    )


def s_before_r() -> SigningPeers:
    def making(peers: SigningPeers, purpose: bytes, transcript: bytes) -> bytes:
        signature = properly(peers, purpose, transcript)
        return signature[len(signature) // 2 :] + signature[: len(signature) // 2]

    return challenged(making)


def other_key() -> SigningPeers:
    def making(peers: SigningPeers, purpose: bytes, transcript: bytes) -> bytes:
        return peers.signed(peers.prefix(purpose) + peers.hashed(transcript), key=peers.other_key)

    return challenged(making)


CAPTURES: Final[dict[KnownMistake, Callable[[], SigningPeers]]] = {
    mistake: globals()[mistake.name.lower()] for mistake in KnownMistake
}
"""What to call for a capture of each mistake."""

MORE: Final[list[tuple[KnownMistake, Callable[[], SigningPeers]]]] = [
    (KnownMistake.FAILED_ATTEMPT, failed_attempt_with_error),
    (KnownMistake.MISSING_RESET, missing_reset_of_certificates),
    (KnownMistake.MISSING_RESET, missing_reset_after_a_signature),
]
"""Other ways to make some of them."""


def main(folder: Path) -> None:
    """Write every capture."""
    folder.mkdir(parents=True, exist_ok=True)
    for mistake, make in CAPTURES.items():
        route = make().route
        print(write(folder / f"{mistake.name.lower()}.pcap", route.frames, route.link_type))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
