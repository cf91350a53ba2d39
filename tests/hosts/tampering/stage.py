"""The machine on which the workflow is played with something tampered with, and what all tamperings share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import attrs

from pytio.backends.bindings import PCI_DOE
from pytio.errors import DoePeerError
from pytio.hosts.mock import MockHost
from pytio.hosts.model.machine import Machine
from pytio.hosts.workflow import Workflow
from pytio.ids import Bdf
from pytio.mock.device import default_device_config
from pytio.sev.sla import Sla
from pytio.sev.tio_codes import (
    Revision,
)
from tests.clients.machine import identity

REVISION: Final = Revision.P2


class Stage:
    """A machine on which the workflow is played, and what was done to it.

    Attributes:
        machine: the hardware; the mailbox is shortened to its object exchange, for it takes most of the time.
        host: what runs on it, once it has booted.
        workflow: as far as it has come.
        secrets: every key that the firmware has told.
        fired: how often the tampering has really changed something.
        reasons: why the firmware refused commands, which it does not tell the host.
    """

    def __init__(self) -> None:
        """Wire a machine that nobody tampers with."""
        self.machine = Machine(device=default_device_config(spdm=identity()))
        self.host: MockHost | None = None
        self.secrets: list[bytes] = []
        self.fired = 0
        self.reasons: list[str] = []
        self._undo: list[Callable[[], object]] = []
        self.machine.psp.on_secret = lambda kind, key, secret: self.secrets.append(secret.reveal())
        self.through_mailbox = self.machine.port.exchange
        self.machine.port.exchange = self._exchange
        self.machine.port.execute = self._execute

    def boot(self) -> None:
        """Boot the host."""
        self.host = MockHost(machine=self.machine)
        self.workflow = Workflow(self.host)

    def _execute(self, command: int, paddr: int) -> int:
        status = self.machine.psp.execute(command, paddr)
        assert self.machine.psp.last is not None
        self.reasons += [self.machine.psp.last.why] if self.machine.psp.last.why else []
        return status

    def _exchange(self, function: Bdf, is_secured: bool, payload: bytes) -> bytes:
        answer = self.machine.device.dsm.answer(PCI_DOE.wrap(payload, is_secured))
        if answer is None:
            raise DoePeerError(0, "the mailbox says nothing")
        return PCI_DOE.unwrap(answer).message

    def replace(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        """Put something in the place of an attribute, made from what was there, until `restore`."""
        before = getattr(owner, name)
        setattr(owner, name, make(before))
        self._undo.append(lambda: setattr(owner, name, before))

    def later(self, undo: Callable[[], object]) -> None:
        """Have something done at `restore`."""
        self._undo.append(undo)

    def restore(self) -> None:
        """Tamper no more."""
        while self._undo:
            self._undo.pop()()

    @property
    def function(self) -> Bdf:
        """The virtual function, once it is there."""
        assert self.workflow.function is not None
        return self.workflow.function


Tampering = Callable[..., None]
TAMPERINGS: Final[dict[str, Tampering]] = {}


def tampering(function: Tampering) -> Tampering:
    TAMPERINGS[function.__name__] = function
    return function


@attrs.define
class Turn:
    """Counts what matches, and says when it is the one to change: the first, the one with a number, or every one."""

    stage: Stage
    number: int = 0
    every: bool = False
    seen: int = 0

    def comes(self) -> bool:
        self.seen += 1
        is_it = self.every or self.seen - 1 == self.number
        self.stage.fired += is_it
        return is_it


def flipped(data: bytes, at: int, xor: int = 1) -> bytes:
    changed = bytearray(data)
    changed[at] ^= xor
    return bytes(changed)


def replaced(message: Any, path: str, value: Any) -> Any:
    """Return a message with one field changed, by its path: bytes are given as hex, an SLA as an integer."""
    name, _, rest = path.partition(".")
    old = getattr(message, name)
    if rest:
        return message.replace(**{name: replaced(old, rest, value)})
    if isinstance(old, Sla):
        return message.replace(**{name: Sla.parse(value.to_bytes(8, "little"))})
    if isinstance(old, bytes):
        return message.replace(**{name: bytes.fromhex(value)})
    return message.replace(**{name: type(old)(value)})
