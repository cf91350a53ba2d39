"""Providers: the default draws, the recording notes, the replay gives back and refuses the rest."""

from __future__ import annotations

import json

import pytest

from pytio.crypto import (
    Agreement,
    ExchangeAlgorithm,
    HashAlgorithm,
    KemAlgorithm,
    LibraryProvider,
    PrivateKey,
    Provider,
    RecordedProvider,
    Recording,
    RecordingProvider,
    SignatureAlgorithm,
    SignatureParameters,
)
from pytio.errors import DecodeError, LocalProtocolError, VerificationError

KEY = PrivateKey.generate(SignatureAlgorithm.ECDSA_P256)
PARAMETERS = SignatureParameters(SignatureAlgorithm.ECDSA_P256, HashAlgorithm.SHA_256)
AGREEMENTS: list[Agreement] = [
    algorithm
    for algorithm in (
        ExchangeAlgorithm.FFDHE_2048,
        ExchangeAlgorithm.SECP_384_R1,
        ExchangeAlgorithm.SECP_521_R1,
        KemAlgorithm.ML_KEM_768,
    )
    if algorithm.is_supported()
]


def conversation(initiator: Provider, responder: Provider) -> list[bytes]:
    """Return everything that two sides draw, in order."""
    said = [initiator.nonce(32), responder.nonce(1)]
    for algorithm in AGREEMENTS:
        exchange = initiator.new_exchange(algorithm)
        answer = responder.encapsulate(algorithm, exchange.request)
        signature = responder.sign(KEY, answer.response, PARAMETERS)
        KEY.public_key.verify(signature, answer.response, PARAMETERS)
        assert exchange.complete(answer.response) == answer.secret
        said += [exchange.request, answer.response, signature, answer.secret.reveal()]
    return said


def test_a_recorded_conversation_repeats_byte_for_byte() -> None:
    recorders = RecordingProvider(LibraryProvider()), RecordingProvider(LibraryProvider())
    first = conversation(*recorders)
    assert first != conversation(LibraryProvider(), LibraryProvider())
    texts = [recorder.recording.reveal_json() for recorder in recorders]
    replays = [RecordedProvider(Recording.from_json(text)) for text in texts]
    assert conversation(*replays) == first
    assert [replay.remaining for replay in replays] == [0, 0]
    for recorder, text in zip(recorders, texts, strict=True):
        assert Recording.from_json(text) == recorder.recording
        assert not any(value.hex() in repr(recorder.recording) for value in first[:1])


def test_the_default_draws_anew() -> None:
    provider = LibraryProvider()
    assert len(provider.nonce(32)) == 32
    assert provider.nonce(0) == b""
    assert provider.nonce(32) != provider.nonce(32)


def test_what_differs_from_the_recording_is_refused() -> None:
    recorder = RecordingProvider(LibraryProvider())
    nonce, signature = recorder.nonce(32), recorder.sign(KEY, b"message", PARAMETERS)
    replay = RecordedProvider(recorder.recording)
    for wrong in (
        lambda: replay.nonce(16),
        lambda: replay.sign(KEY, b"message", PARAMETERS),
        lambda: replay.new_exchange(ExchangeAlgorithm.SECP_256_R1),
        lambda: replay.encapsulate(KemAlgorithm.ML_KEM_768, b""),
    ):
        with pytest.raises(LocalProtocolError, match="is illegal in state draw 0 of the recording, nonce 32"):
            wrong()
    assert replay.nonce(32) == nonce
    with pytest.raises(LocalProtocolError, match="another message was signed"):
        replay.sign(KEY, b"massage", PARAMETERS)
    assert replay.sign(KEY, b"message", PARAMETERS) == signature
    with pytest.raises(LocalProtocolError, match="nonce 32 is illegal in state end of the recording"):
        replay.nonce(32)


def test_a_request_that_is_refused_replays_as_refused() -> None:
    recorder = RecordingProvider(LibraryProvider())
    algorithm = ExchangeAlgorithm.SECP_256_R1
    for provider in (recorder, RecordedProvider(recorder.recording)):
        with pytest.raises(VerificationError, match="secp256r1 public value"):
            provider.encapsulate(algorithm, bytes(algorithm.request_size))


@pytest.mark.parametrize(
    "text", ["", "{", "1", '"x"', '["x"]', '[{"kind": "nonce"}]', '[{"kind":"x","subject":"","value":"","public":""}]']
)
def test_malformed_recordings(text: str) -> None:
    with pytest.raises(DecodeError, match="not a recording of draws"):
        Recording.from_json(text)


def test_a_recording_says_what_it_holds() -> None:
    recorder = RecordingProvider(LibraryProvider())
    recorder.nonce(2)
    recorder.new_exchange(ExchangeAlgorithm.SECP_256_R1)
    kinds = [(entry["kind"], entry["subject"]) for entry in json.loads(recorder.recording.reveal_json())]
    assert kinds == [("nonce", "2"), ("exchange", "secp256r1")]
    assert [str(draw) for draw in recorder.recording.draws] == ["nonce 2", "exchange secp256r1"]
