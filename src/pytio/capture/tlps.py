"""TLPs of a captured link: what they are, and what is inside of those that IDE encrypted, where a key log has the keys.

A capture is one link type, USER2, with an interface for each direction of a link: ``link:0000:e1:00.0:up`` is what the
function's device sends, ``…:down`` what it receives; with ``:flit`` behind it the TLPs are of flit mode. Nobody has to
say which unit is the first, or which key is in use: a unit is opened where its MAC proves it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs

from pytio.capture.draft import Draft
from pytio.capture.frames import Frame
from pytio.capture.keylog import ide_key_of
from pytio.capture.records import Direction, Layer
from pytio.capture.secrets import SecretStore
from pytio.errors import IdeDecodeError, VerificationError
from pytio.ide import FIXED_PARTS, HeaderEncryption, IdePrefix, OhcC, Tlp, UnitKey, new_key
from pytio.ide.framing import associated_data, text_of, with_text
from pytio.ids import SubStream

__all__ = ("TRANSPORT", "TlpReader")

TRANSPORT: Final = "pcie"
"""The transport of a TLP's record."""
_LINK: Final = "link:"
_FLIT: Final = ":flit"
_FIRST_INVOCATION: Final = 1
_AHEAD: Final = 64  # units that may be missing from a capture before one is not found any more
_MOST_IN_UNIT: Final = 9


@attrs.define(eq=False)
class _Lane:
    """One direction of one sub-stream of one stream."""

    place: str  # the address of the link's function
    way: str  # up or down
    stream_id: int
    sub_stream: SubStream
    key: UnitKey | None = None
    key_set: int = 0
    invocation: int = _FIRST_INVOCATION
    mode: int = HeaderEncryption.NONE
    unit: list[Tlp] = attrs.field(factory=list)


class TlpReader:
    """Reads TLPs in their order; keeps what later ones need."""

    def __init__(self, secrets: SecretStore) -> None:
        """Take the keys from a store, as they come in."""
        self._secrets = secrets
        self._lanes: dict[tuple[str, str, int, SubStream], _Lane] = {}
        self._keys: dict[tuple[str, int], UnitKey] = {}

    def read(self, draft: Draft) -> None:
        """Add the layers of a TLP."""
        draft.transport = TRANSPORT
        place, way, is_flit = _link_of(draft.frame)
        try:
            tlp = Tlp.parse(draft.frame.data, flit_mode=is_flit)
        except IdeDecodeError as error:
            draft.add(Layer("tlp", draft.frame.data, None, {}, "TLP"))
            draft.fail(error, 0)
            return
        is_completion = tlp.header.sub_stream is SubStream.CPL
        draft.direction = Direction.RESPONSE if is_completion else Direction.REQUEST
        said = tlp.ide
        if said is None:
            self._add(draft, tlp)
            return
        opened = self._opened(draft, place, way, tlp, said)
        facts = {"decrypted": opened is not None}
        draft.add(Layer("ide", said.build(), said, facts, said.NAME))
        self._add(draft, tlp if opened is None else opened)

    def _add(self, draft: Draft, tlp: Tlp) -> None:
        for prefix in tlp.prefixes:
            if not isinstance(prefix, IdePrefix):
                draft.add(Layer("tlp", prefix.build(), prefix, {}, prefix.NAME))
        data = tlp.header_bytes() + tlp.payload
        draft.add(Layer("tlp", data, tlp.header, {}, tlp.header.tlp_type.name))

    def _opened(self, draft: Draft, place: str, way: str, tlp: Tlp, said: IdePrefix | OhcC) -> Tlp | None:
        """Return the TLP in clear, if that can be."""
        key = (place, way, said.stream_id, said.sub_stream)
        lane = self._lanes.setdefault(key, _Lane(place, way, said.stream_id, said.sub_stream))
        if len(lane.unit) == _MOST_IN_UNIT:
            lane.unit.clear()  # its end is not in the capture
        lane.unit.append(tlp)
        if not tlp.mac:
            if lane.key is None or lane.key_set != said.k:
                return None
            draft.notes.append("decrypted before the MAC of its unit")
            text = b"".join(text_of(each, lane.mode) for each in lane.unit)
            own = len(text_of(tlp, lane.mode))
            return with_text(tlp, lane.key.crypt(lane.invocation, text)[len(text) - own :], lane.mode)
        unit, lane.unit = lane.unit, []
        for unit_key, invocation, mode in self._candidates(lane, said.k):
            aad = b"".join(associated_data(each, mode) for each in unit)
            text = b"".join(text_of(each, mode) for each in unit)
            try:
                plain = unit_key.open(invocation, text + tlp.mac, aad)
            except VerificationError:
                continue
            lane.key, lane.key_set, lane.invocation, lane.mode = unit_key, said.k, invocation + 1, mode
            return with_text(tlp, plain[len(plain) - len(text_of(tlp, mode)) :], mode)
        if self._logged(lane, said.k):
            draft.notes.append("the MAC does not hold under any key that is known")
        return None

    def _candidates(self, lane: _Lane, key_set: int) -> Iterator[tuple[UnitKey, int, int]]:
        """Yield under which key, as which unit, and with which headers hidden, a unit may open; the likeliest first."""
        logged = self._logged(lane, key_set)
        likely = [(lane.key, lane.invocation)] if lane.key is not None and lane.key_set == key_set else []
        likely += [(unit_key, _FIRST_INVOCATION) for unit_key in logged if unit_key is not lane.key]
        modes = [lane.mode, *(mode for mode in HeaderEncryption if mode != lane.mode)]
        for mode in modes:
            yield from ((unit_key, invocation, mode) for unit_key, invocation in likely)
        for ahead in range(1, _AHEAD):
            yield from ((unit_key, invocation + ahead, lane.mode) for unit_key, invocation in likely)

    def _logged(self, lane: _Lane, key_set: int) -> list[UnitKey]:
        name = ide_key_of(lane.place, lane.stream_id, key_set, lane.sub_stream.name, lane.way)
        found = []
        for number, secret in enumerate(self._secrets.ide_keys(name)):
            if (name, number) not in self._keys:
                self._keys[name, number] = new_key(secret.reveal(), FIXED_PARTS[lane.sub_stream])
            found.append(self._keys[name, number])
        return found


def _link_of(frame: Frame) -> tuple[str, str, bool]:
    """Return which link, which way, and whether in flit mode, as the interface's name says it."""
    name = frame.interface or ""
    is_flit = name.endswith(_FLIT)
    place, _, way = name.removesuffix(_FLIT).removeprefix(_LINK).rpartition(":")
    return place, way, is_flit
