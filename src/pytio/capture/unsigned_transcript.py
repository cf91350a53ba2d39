"""A connection's transcript without what only signatures cover: all that sessions need, and no more."""

from __future__ import annotations

from collections.abc import Hashable

from pytio.spdm.codes import SpdmCode
from pytio.spdm.transcript import VCA, Transcript, piece_of

__all__ = ("UnsignedTranscript",)

_CODE_OFFSET = 1
_REQUEST_BIT = 0x80
_KEEP_WINDOW = frozenset({*VCA, SpdmCode.GET_DIGESTS})


class UnsignedTranscript(Transcript):
    """Keeps VCA and the first DIGESTS, by the rules of `Transcript`; no signature can be checked with it."""

    def _restart(self) -> None:
        super()._restart()
        self._last: dict[tuple[Hashable, bool], tuple[bytes, int | None]] = {}

    def request(
        self, raw: bytes, *, context: Hashable = None, encapsulated: bool = False, source: int | None = None
    ) -> None:
        """Take note of a request."""
        code = raw[_CODE_OFFSET]
        if code == SpdmCode.GET_VERSION:
            self._restart()
        self._last[context, encapsulated] = raw, source
        if not encapsulated and code not in _KEEP_WINDOW:
            self._digests_window = False

    def response(
        self,
        raw: bytes,
        *,
        context: Hashable = None,
        encapsulated: bool = False,
        signature_size: int = 0,
        source: int | None = None,
    ) -> None:
        """Take note of a response."""
        code = raw[_CODE_OFFSET]
        if code in VCA:
            asked = self._last.get((context, encapsulated))
            if asked is not None and asked[0][_CODE_OFFSET] == code | _REQUEST_BIT:
                self._vca.append(piece_of(SpdmCode(code | _REQUEST_BIT).name, asked[0], "A", asked[1]))
            self._vca.append(piece_of(SpdmCode(code).name, raw, "A", source))
            self._digests_window = code == SpdmCode.ALGORITHMS
        elif code == SpdmCode.DIGESTS and not encapsulated:
            if self._digests_window:
                self.first_digests = piece_of(SpdmCode.DIGESTS.name, raw, "D", source)
            self._digests_window = False
