"""Every signature and every HMAC in the recorded sessions holds over the pieces that the transcript names for it."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import pytest

from pytio.capture.conversation import Conversation
from pytio.capture.dissector import Dissector
from pytio.capture.draft import Draft
from pytio.capture.secrets import SecretStore
from pytio.crypto import digest
from pytio.crypto.signatures import SignatureParameters
from pytio.crypto.x509 import parse_certificates
from pytio.spdm import algorithms
from pytio.spdm.certificate_chain import CertificateChain
from pytio.spdm.signing import SigningContext, signing_input
from pytio.spdm.transcript import Pieces, joined
from tests.capture.recorded import RECORDED, frames, secrets

CONTEXTS: Final = {
    ("CHALLENGE_AUTH", False): SigningContext.RESPONDER_CHALLENGE_AUTH,
    ("CHALLENGE_AUTH", True): SigningContext.REQUESTER_CHALLENGE_AUTH,
    ("MEASUREMENTS", False): SigningContext.RESPONDER_MEASUREMENTS,
    ("KEY_EXCHANGE_RSP", False): SigningContext.RESPONDER_KEY_EXCHANGE_RSP,
    ("FINISH", True): SigningContext.REQUESTER_FINISH,
    ("ENDPOINT_INFO", False): SigningContext.RESPONDER_ENDPOINT_INFO,
    ("ENDPOINT_INFO", True): SigningContext.REQUESTER_ENDPOINT_INFO,
}
"""By message, and whether the requester signs it."""

SIGNATURES: Final = {
    "s01": {"CHALLENGE_AUTH": 2, "MEASUREMENTS": 4, "KEY_EXCHANGE_RSP": 2, "FINISH": 2},
    "s02": {"CHALLENGE_AUTH": 1, "MEASUREMENTS": 9},
    "s03": {"CHALLENGE_AUTH": 2, "MEASUREMENTS": 4, "KEY_EXCHANGE_RSP": 2, "FINISH": 2},
    "s04": {"CHALLENGE_AUTH": 2, "MEASUREMENTS": 3, "KEY_EXCHANGE_RSP": 2, "FINISH": 2},
    "s05": {"CHALLENGE_AUTH": 2, "MEASUREMENTS": 4, "KEY_EXCHANGE_RSP": 2, "FINISH": 2},
    "s06": {"CHALLENGE_AUTH": 2, "MEASUREMENTS": 3, "KEY_EXCHANGE_RSP": 2, "FINISH": 2, "ENDPOINT_INFO": 6},
    "s07": {"CHALLENGE_AUTH": 2, "MEASUREMENTS": 3, "KEY_EXCHANGE_RSP": 2, "FINISH": 2, "ENDPOINT_INFO": 2},
    "s08": {},
}


class Verifier:
    """Told of every value that is signed; verifies it with the certificate that the same capture shows."""

    def __init__(self, name: str) -> None:
        given = secrets(name)
        self.seen: Counter[str] = Counter()
        self.pieces: list[Pieces] = []
        self.dissector = Dissector(SecretStore(psk=given["psk"], dhe=given["dhe_secret"]), self.verify)
        for frame in frames(name):
            self.dissector.read(frame)

    @property
    def conversation(self) -> Conversation:
        """The only conversation of a recorded session."""
        [flow] = self.dissector._flows.values()
        return flow.conversation

    def verify(self, what: str, pieces: Pieces, draft: Draft) -> None:
        """Verify one signature; raises VerificationError if it does not hold."""
        name, _, kind = what.partition(" ")
        if kind != "signature":
            return
        self.seen[name] += 1
        self.pieces.append(pieces)
        message: Any = draft.layers[-1].message
        by_requester = name == "FINISH" or any(layer.title == "DELIVER_ENCAPSULATED_RESPONSE" for layer in draft.layers)
        negotiated = self.conversation.negotiated
        assert negotiated is not None
        hash_algorithm = algorithms.hash_algorithm(negotiated.base_hash)
        signed = signing_input(negotiated.version, CONTEXTS[name, by_requester], digest(hash_algorithm, joined(pieces)))
        parameters = SignatureParameters(
            algorithms.signature_algorithm(negotiated.req_base_asym if by_requester else negotiated.base_asym),
            hash_algorithm,
            context=signed.context,
            is_digest=signed.is_digest,
        )
        chain = self.conversation._chains[by_requester].chain(self.slot(name, message))
        assert chain is not None
        parsed = CertificateChain.parse(chain, digest=hash_algorithm.digest_size)
        leaf = parse_certificates(parsed.certificate_list)[-1]
        leaf.public_key.verify(message.signature, signed.message, parameters, what=what)

    def slot(self, name: str, message: Any) -> int:
        """Return the slot whose key signs a message."""
        if name == "FINISH":
            return int(message.req_slot_id)
        if name == "KEY_EXCHANGE_RSP":
            asked: Any = self.conversation.outside.request
            return int(asked.message.slot_id)
        return int(message.slot_id)


@pytest.mark.parametrize("name", RECORDED)
def test_every_signature_verifies(name: str) -> None:
    verifier = Verifier(name)
    assert verifier.seen == SIGNATURES[name.partition("-")[0]]


def test_pieces_say_where_they_come_from() -> None:
    for pieces in Verifier("s06-doe13-p256-provision").pieces:
        assert all(piece.rule for piece in pieces)
        assert all(piece.source is not None for piece in pieces if not piece.what.startswith("hash of"))
        sources = [piece.source for piece in pieces if piece.source is not None]
        assert sources == sorted(sources)
