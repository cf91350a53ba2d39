"""Cutting a byte stream into frames, however the stream was cut into pieces.

One splitter serves every binding that travels on a byte stream; the binding says how long the frame at the front is.
Nothing here performs I/O: bytes go in, frames come out.
"""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar

from pytio.errors import TransportDecodeError
from pytio.wire import WireStruct

__all__ = ("FrameSplitter",)

F = TypeVar("F", bound=WireStruct)


class FrameSplitter(Generic[F]):
    """Collects bytes until a frame is complete; one splitter for each direction of a connection.

    A frame that is malformed, or larger than ``max_frame_bytes``, ends the stream: nothing tells where the next one
    would begin. The frames before it are still handed out; the error is raised by the call that finds it first in the
    buffer, and by every call after that.

    Subclasses say what a frame is, how many bytes its header has, and how long the frame is that has this header.
    """

    FRAME: ClassVar[type[WireStruct]]
    HEADER_BYTES: ClassVar[int]

    def __init__(self, *, max_frame_bytes: int | None = None) -> None:
        self._max_frame_bytes = max_frame_bytes
        self._buffer = bytearray()

    @property
    def pending_bytes(self) -> int:
        """How many bytes wait for the rest of their frame; 0 is where a stream may end."""
        return len(self._buffer)

    def frame_bytes(self, header: bytes) -> int:
        """Return the size of the whole frame that begins with ``header``."""
        raise NotImplementedError

    def feed(self, data: bytes) -> list[F]:
        """Take more of the stream, and return the frames that are complete now.

        Raises:
            TransportDecodeError: the bytes at the front are no frame; what was complete before them has been returned
                by an earlier call, or is returned by this one and the error comes with the next.
        """
        self._buffer += data
        frames: list[F] = []
        at = 0
        try:
            while (size := self._complete_bytes(at)) is not None:
                frames.append(self.FRAME.parse(self._buffer[at : at + size]))  # type: ignore[arg-type]  # FRAME is F
                at += size
        except TransportDecodeError:
            if not frames:
                raise
        finally:
            del self._buffer[:at]
        return frames

    def _complete_bytes(self, at: int) -> int | None:
        """Return the size of the frame at ``at``, None while it is not complete."""
        header = bytes(self._buffer[at : at + self.HEADER_BYTES])
        if len(header) < self.HEADER_BYTES:
            return None
        size = self.frame_bytes(header)
        if self._max_frame_bytes is not None and size > self._max_frame_bytes:
            raise TransportDecodeError(f"frame of {size} bytes, at most {self._max_frame_bytes} are accepted", header)
        return size if len(self._buffer) - at >= size else None
