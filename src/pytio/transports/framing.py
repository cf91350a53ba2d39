"""Cutting a byte stream into frames, however the stream was cut into pieces.

One splitter serves every binding that travels on a byte stream; the binding says how long the frame at the front is.
Nothing here performs I/O: bytes go in, frames come out.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Generic, TypeVar

from pytio.errors import TransportDecodeError
from pytio.wire import WireStruct

__all__ = ("FrameSplitter",)

F = TypeVar("F", bound=WireStruct)


class FrameSplitter(ABC, Generic[F]):
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
        self._wanted_bytes = self.HEADER_BYTES  # how many bytes have to be there before anything can be done

    @property
    def pending_bytes(self) -> int:
        """How many bytes wait for the rest of their frame; 0 is where a stream may end."""
        return len(self._buffer)

    @abstractmethod
    def frame_bytes(self, header: bytes) -> int:
        """Return the size of the whole frame that begins with ``header``."""

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
            while len(self._buffer) - at >= self._wanted_bytes:
                if self._wanted_bytes == self.HEADER_BYTES and (size := self._frame_bytes(at)) > self.HEADER_BYTES:
                    self._wanted_bytes = size  # the header is here, and says that there is more
                    continue
                frames.append(self.FRAME.parse(self._buffer[at : at + self._wanted_bytes]))  # type: ignore[arg-type]  # F
                at += self._wanted_bytes
                self._wanted_bytes = self.HEADER_BYTES
        except TransportDecodeError:
            if not frames:
                raise
        finally:
            del self._buffer[:at]
        return frames

    def _frame_bytes(self, at: int) -> int:
        """Return the size of the frame whose header is at ``at``."""
        header = bytes(self._buffer[at : at + self.HEADER_BYTES])
        size = self.frame_bytes(header)
        if self._max_frame_bytes is not None and size > self._max_frame_bytes:
            raise TransportDecodeError(f"frame of {size} bytes, at most {self._max_frame_bytes} are accepted", header)
        return size
