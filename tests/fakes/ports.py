"""Functions for a fake host: model functions with an IDE capability, and a device with a mailbox and an SPDM endpoint.

The status of a stream follows its control, as in a device whose keys are all set; a liar's never becomes secure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pytio.mock import Change, DoeMailbox, Endpoint, MockFunction
from pytio.mock.example import example_endpoint

ROOT_PORT_TYPE: Final = 4
IDE_ID: Final = 0x30
SECURE: Final = 2
_IDE_BODY_BYTES: Final = 4 + 4 + 20
_SELECTIVE: Final = 0x0C
_CONTROL: Final = _SELECTIVE + 0x04
_STATUS: Final = _SELECTIVE + 0x08
_ENABLE: Final = 1
_SELECTIVE_AND_KM: Final = 0xC2
_TEE_LIMITED: Final = 1 << 24


class Port:
    """A function with one selective IDE stream.

    Attributes:
        ide: where its IDE capability is.
        endpoint: its SPDM endpoint, where it has a mailbox.
        is_liar: whether its stream stays insecure.
    """

    def __init__(self, vendor: int, device: int, *, is_root_port: bool, with_mailbox: bool = False) -> None:
        self.function = MockFunction(
            vendor, device, port_type=ROOT_PORT_TYPE if is_root_port else 0, tee_io=not is_root_port
        )
        self.is_liar = False
        self.mailbox: DoeMailbox | None = None
        self.doe = 0
        self.endpoint = example_endpoint() if with_mailbox else None
        if self.endpoint is not None:
            self.mailbox = DoeMailbox(answering(self.endpoint))
            self.doe = self.function.add_mailbox(self.mailbox)
        capability = _SELECTIVE_AND_KM | (0 if is_root_port else _TEE_LIMITED)
        writable = 0xFFFF_FFFD << 8 * (_CONTROL - 4)
        self.ide = self.function.add_extended_capability(
            IDE_ID, capability.to_bytes(4, "little") + bytes(_IDE_BODY_BYTES - 4), rw=writable
        )
        self.function.space.watch(self.control, 4, self._control_written)

    @property
    def control(self) -> int:
        """Where the stream's control register is."""
        return self.ide + _CONTROL

    @property
    def status(self) -> int:
        """Where the stream's status register is."""
        return self.ide + _STATUS

    def _control_written(self, change: Change) -> None:
        is_secure = change.new & _ENABLE and not self.is_liar
        self.function.space.poke(self.status, 4, SECURE if is_secure else 0)

    def read(self, offset: int, size: int) -> bytes:
        return self.function.space.read(offset, size).to_bytes(size, "little")

    def write(self, offset: int, data: bytes) -> None:
        self.function.space.write(offset, len(data), int.from_bytes(data, "little"))


def answering(endpoint: Endpoint) -> Callable[[bytes], bytes | None]:
    """Return what a mailbox asks for answers: an endpoint, one unit in and one out."""

    def answer(request: bytes) -> bytes | None:
        endpoint.receive(request, now=0.0)
        return endpoint.bytes_to_send()

    return answer
