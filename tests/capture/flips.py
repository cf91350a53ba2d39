"""Flips single bits of a capture, and says which checks should notice.

Where the bytes of every piece lie in the captured frames is found out from the layers of the records: messages in
clear by their bytes, messages in chunks by the bytes of the chunks; what travelled encrypted is anywhere in its record.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import attrs

from pytio.capture import Frame, Record
from pytio.capture.dissector import Dissector
from pytio.capture.records import Check
from pytio.capture.secrets import SecretStore
from pytio.spdm.messages.chunk import ChunkResponse, ChunkSend
from pytio.spdm.proofs import Proof, SignatureProof
from pytio.spdm.transcript import Piece, Pieces, joined
from tests.capture.recorded import frames, secrets

Place = tuple[int, int]
"""The number of a record, and an offset in its frame."""
Name = tuple[int, str]
"""A check: the number of its record, and what was checked."""
CHUNKS: Final = (ChunkSend, ChunkResponse)


def verified(captured: tuple[Frame, ...], name: str) -> list[Record]:
    """Return the records of frames, verified with a recorded session's secrets."""
    given = secrets(name)
    dissector = Dissector(SecretStore(psk=given["psk"], dhe=given["dhe_secret"]), verify=True)
    return [dissector.read(frame) for frame in captured]


def checks(records: list[Record]) -> dict[Name, Check]:
    """Return every check by its name."""
    return {(record.number, check.check): check for record in records for check in record.checks}


def flipped(captured: tuple[Frame, ...], place: Place, bit: int) -> tuple[Frame, ...]:
    """Return the frames with one bit changed."""
    number, offset = place
    frame = captured[number - 1]
    data = bytearray(frame.data)
    data[offset] ^= 1 << bit
    return (*captured[: number - 1], attrs.evolve(frame, data=bytes(data)), *captured[number:])


class Map:
    """Where everything that the checks of a recorded session depend on lies in its frames."""

    def __init__(self, name: str, captured: tuple[Frame, ...] | None = None) -> None:
        self.name = name
        self.frames = captured or frames(name)
        self.records = verified(self.frames, name)
        self.checks = checks(self.records)
        self._places: dict[int, list[tuple[bytes, list[Place]]]] = {}
        self._chunks: dict[tuple[int | None, str], tuple[bytes, list[Place]]] = {}
        for record in self.records:
            self._places[record.number] = [found for layer in record.layers for found in self._locate(record, layer)]
        self.depends = {key: set(self._of_check(key, check)) for key, check in self.checks.items()}

    def _locate(self, record: Record, layer: Any) -> Iterator[tuple[bytes, list[Place]]]:
        if layer.name != "spdm":
            return
        start = record.data.rfind(layer.data)
        if record.is_decrypted:
            places = [(record.number, offset) for offset in range(8, len(record.data))]
            yield layer.data, places
        elif start >= 0:
            places = [(record.number, start + index) for index in range(len(layer.data))]
            yield layer.data, places
            if isinstance(layer.message, CHUNKS):
                chunk = layer.message.spdm_chunk
                key = (record.session_id, type(layer.message).__name__)
                data, so_far = self._chunks.get(key, (b"", [])) if layer.message.chunk_seq_no else (b"", [])
                self._chunks[key] = data + chunk, so_far + places[len(places) - len(chunk) :]
        else:
            whole = next((at for data, at in self._chunks.values() if data.startswith(layer.data)), [])
            yield layer.data, whole[: len(layer.data)]

    def _of_piece(self, piece: Piece) -> Iterator[Place]:
        for inner in piece.stands_for:
            yield from self._of_piece(inner)
        for data, places in self._places.get(piece.source or 0, ()):
            start = data.find(piece.data)
            if start >= 0:
                is_encrypted = len(places) != len(data)
                yield from places if is_encrypted else places[start : start + len(piece.data)]
                return

    def _of_check(self, key: Name, check: Check) -> Iterator[Place]:
        proof = check.proof
        assert isinstance(proof, Proof)
        for piece in proof.pieces:
            yield from self._of_piece(piece)
        yield from self._of_piece(Piece("the value", proof.value, "", key[0]))
        if isinstance(proof, SignatureProof) and proof.key is not None:
            yield from self._of_key(proof.key.to_spki(), proof.chain)

    def _of_key(self, spki: bytes, portions: Pieces) -> Iterator[Place]:
        """Find the key of a check in the chain that it was taken from.

        A chain that was read again inside a session is not depended on: the one that was read before still stands.
        """
        places = [place for portion in portions for place in self._of_piece(portion)]
        data = joined(portions)
        start = data.find(spki)
        assert start >= 0
        yield from places[start : start + len(spki)] if len(places) == len(data) else ()

    def depending(self, place: Place) -> set[Name]:
        """Return the checks that depend on a byte."""
        return {key for key, places in self.depends.items() if place in places}
