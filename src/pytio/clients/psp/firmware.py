"""How a host speaks to the firmware, whatever about: commands laid out as the revision has them, statuses typed.

Document: AMD 58271, "Command buffers". A field that a revision lacks is left out of its command; whether leaving it out
is right is the caller's to know.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import attrs

from pytio.clients.psp.actions import Issue, Plan, Read, Write
from pytio.clients.psp.failures import command_error
from pytio.clients.psp.manner import HOST_MANNERS, AnyTioStatus
from pytio.clients.psp.memory import PagePool
from pytio.clients.rollback import roll_back
from pytio.errors import LocalProtocolError
from pytio.sev.tio_codes import Revision, SevCommand
from pytio.wire import WireStruct

__all__ = ("Firmware",)

S = TypeVar("S", bound=WireStruct)


class Firmware:
    """The firmware as one host sees it.

    Attributes:
        manner: what a host of the revision does.
        pool: the pages that go to the firmware and come back.
        sizes: what TIO_STATUS said after TIO_INIT; None before.
        is_snp_initialized: whether SNP_INIT_EX was done, since which pages have owners.
    """

    def __init__(self, revision: Revision) -> None:
        """Start before SNP_INIT_EX."""
        self.manner = HOST_MANNERS[revision]
        self.pool = PagePool()
        self.sizes: AnyTioStatus | None = None
        self.is_snp_initialized = False

    @property
    def known_sizes(self) -> AnyTioStatus:
        """What TIO_STATUS said. Raises LocalProtocolError before TIO_INIT."""
        if self.sizes is None:
            raise LocalProtocolError("before TIO_INIT", "a command about a device", "initialize SEV-TIO first")
        return self.sizes

    def lay_out(self, command: SevCommand, fields: dict[str, Any]) -> WireStruct:
        """Return a command buffer, with those of the fields that this revision has.

        Raises:
            LocalProtocolError: the revision has no such command.
        """
        layout = self.manner.commands.get(command)
        if layout is None:
            raise LocalProtocolError(f"revision {self.manner.revision.value}", command, "it has no such command")
        known = attrs.fields_dict(layout)
        return layout(**{name: value for name, value in fields.items() if name in known})

    def issue(self, command: SevCommand, **fields: Any) -> Plan[None]:
        """Issue a command.

        Raises:
            LocalProtocolError: the revision has no such command.
            SevCommandError: the firmware ended it with another status than success.
        """
        status = yield Issue(command, self.lay_out(command, fields).build())
        if status:
            raise command_error(command, status)

    def query(self, structure: type[S], ask: Callable[[int], Plan[None]], *, prefill: bytes = b"") -> Plan[S]:
        """Have the firmware write a structure, and return it.

        Args:
            structure: what is written.
            ask: issues the command, given the physical address of the page to write to.
            prefill: what the page begins with before, where it stays the host's.

        Raises:
            SevDecodeError: what was written is not the structure.
            SevCommandError: as ``ask`` does.
        """
        is_donated = self.is_snp_initialized and self.manner.donates_status_pages
        page = yield from self.pool.page(is_donated=is_donated)
        try:
            if prefill and not is_donated:
                yield Write(page, prefill)
            yield from ask(page)
            found = structure.parse((yield Read(page, structure.minimum_size())))
        except Exception as error:
            yield from roll_back(error, self.pool.release_page(page, is_donated=is_donated))
            raise
        yield from self.pool.release_page(page, is_donated=is_donated)
        return found
