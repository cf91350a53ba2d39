"""The hypervisor tampers with commands of the PSP: fields, pages that they name, states of pages, statuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pytio.sev.codes import SevStatus
from pytio.sev.commands import COMMANDS
from pytio.sev.rmp import RmpEntry
from pytio.sev.sla import Sla
from pytio.sev.tio_codes import (
    PAGE_BYTES,
    SevCommand,
)
from tests.hosts.tampering.stage import REVISION, Stage, Turn, replaced, tampering

_PAGE_STATES: Final = {
    "hypervisor": RmpEntry(),
    "firmware": RmpEntry(assigned=1, immutable=1),
    "guest": RmpEntry(assigned=1, asid=9),
}


def _field(message: Any, path: str) -> Any:
    for name in path.split("."):
        message = getattr(message, name)
    return message


def _first_page(stage: Stage, named: Any) -> int:
    """Return the first page that a field names: an address, or an SLA, through its scatter page."""
    if not isinstance(named, Sla):
        return int(named)
    if named.is_scatter_page:
        inner = Sla.parse(stage.machine.platform.memory.read(named.pfn * PAGE_BYTES, 8))
        return inner.pfn * PAGE_BYTES
    return named.pfn * PAGE_BYTES


def on_command(stage: Stage, command: str, turn: Turn, around: Callable[[Any, Callable[[], int], int], int]) -> None:
    """Do something around a command: it is told the command as parsed, how to run it, and where its buffer is."""

    def make(execute: Callable[[int, int], int]) -> Callable[[int, int], int]:
        def run(number: int, paddr: int) -> int:
            if SevCommand(number).name != command or not turn.comes():
                return execute(number, paddr)
            layout = COMMANDS[REVISION][SevCommand[command]]
            raw = stage.machine.platform.memory.read(paddr, layout.minimum_size())
            return around(layout.parse(raw), lambda: execute(number, paddr), paddr)

        return run

    stage.replace(stage.machine.port, "execute", make)


@tampering
def command(stage: Stage, command: str, field: str, value: Any, number: int = 0, every: bool = False) -> None:
    """Change a field of a command buffer."""

    def around(asked: Any, run: Callable[[], int], paddr: int) -> int:
        stage.machine.platform.memory.write(paddr, replaced(asked, field, value).build())
        return run()

    on_command(stage, command, Turn(stage, number, every=every), around)


@tampering
def page_state(stage: Stage, command: str, field: str, state: str, number: int = 0) -> None:
    """Have a page that a command names in another state while the command runs."""

    def around(asked: Any, run: Callable[[], int], paddr: int) -> int:
        rmp = stage.machine.platform.rmp
        page = _first_page(stage, _field(asked, field))
        before, was_validated = rmp.entry(page), rmp.is_validated(page)
        rmp.firmware_set(page, _PAGE_STATES[state])
        try:
            return run()
        finally:
            rmp.firmware_set(page, before, is_validated=was_validated)

    on_command(stage, command, Turn(stage, number), around)


@tampering
def page_before(stage: Stage, command: str, field: str, at: int, xor: int = 1, number: int = 0) -> None:
    """Flip bits in a page that a command names, before it runs."""

    def around(asked: Any, run: Callable[[], int], paddr: int) -> int:
        flip_memory(stage, _first_page(stage, _field(asked, field)) + at, xor)
        return run()

    on_command(stage, command, Turn(stage, number), around)


@tampering
def page_after(stage: Stage, command: str, field: str, at: int, xor: int = 1, number: int = 0) -> None:
    """Flip bits in a page that a command names, after it has run."""

    def around(asked: Any, run: Callable[[], int], paddr: int) -> int:
        status = run()
        flip_memory(stage, _first_page(stage, _field(asked, field)) + at, xor)
        return status

    on_command(stage, command, Turn(stage, number), around)


def flip_memory(stage: Stage, paddr: int, xor: int) -> None:
    memory = stage.machine.platform.memory
    memory.write(paddr, bytes([memory.read(paddr, 1)[0] ^ xor]))


@tampering
def status(stage: Stage, command: str, status: str, number: int = 0) -> None:
    """Answer a command with a status without running it."""
    on_command(stage, command, Turn(stage, number), lambda asked, run, paddr: int(SevStatus[status]))
