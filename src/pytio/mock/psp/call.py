"""One command on its way: its bytes, what they say, and what they name; and the row that says how to run it."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from pytio.mock.psp.buffers import SpdmBuffers
from pytio.mock.psp.contexts import Conversation, DeviceContext, GuestContext, TdiContext
from pytio.mock.psp.device_states import DeviceStep
from pytio.mock.psp.tdi_states import TdiStep
from pytio.sev.tio_codes import SevCommand

if TYPE_CHECKING:
    from pytio.mock.psp.firmware import Psp

__all__ = ("Call", "Guest", "Handler", "Need", "Pending", "Place", "Row", "StatusPage")


class Need(Enum):
    """What has to be initialized for a command."""

    NOTHING = "nothing"
    SNP = "SNP_INIT_EX"
    TIO_ENABLED = "SNP_INIT_EX with TIO_EN, and no TIO_INIT yet"
    TIO = "TIO_INIT"


class Place(Enum):
    """What a field names, and so how it is checked."""

    NEW_CONTEXT = "pages that become a context"
    HANDLE = "the SLA of a context"
    STATUS = "where a structure is written"
    EARLY_STATUS = "where a structure is written, before pages can be given away, too (`SEV_A37`)"
    PAGE = "a page, which the command judges itself"
    NEW_GUEST_CONTEXT = "a page that becomes a guest's context"
    REQUEST_PAGE = "a guest's message"
    RESPONSE_PAGE = "where its answer is written"


class Guest(Enum):
    """Which guest a command needs."""

    NONE = "none"
    KNOWN = "one with a context"
    ACTIVE = "one with an ASID"


@attrs.define
class Call:
    """A command on its way."""

    command: SevCommand
    buffer: bytes = attrs.field(repr=False)
    message: Any
    """The command, of a class in `pytio.sev.commands.COMMANDS`."""
    buffers: SpdmBuffers | None = None
    found_device: DeviceContext | None = None
    found_tdi: TdiContext | None = None
    found_guest: GuestContext | None = None

    @property
    def device(self) -> DeviceContext:
        """The device that it names."""
        assert self.found_device is not None
        return self.found_device

    @property
    def tdi(self) -> TdiContext:
        """The interface that it names."""
        assert self.found_tdi is not None
        return self.found_tdi

    @property
    def guest(self) -> GuestContext:
        """The guest that it names."""
        assert self.found_guest is not None
        return self.found_guest


@attrs.define
class Pending:
    """A command that waits for the host to issue it again."""

    call: Call
    """As it was issued first; its buffers are those of the last time."""
    conversation: Conversation[None] = attrs.field(repr=False)
    waits_for_growth: bool = False
    """Whether larger buffers are expected, rather than a response."""
    was_secured: bool = False
    """Which kind of response is expected."""


Handler: TypeAlias = Callable[["Psp", Call], "Conversation[None] | None"]
"""What a command does once it has passed its checks: at once, or as a conversation."""
StatusPage: TypeAlias = Callable[["Psp"], int]
"""How many bytes of a status page a command writes, which depends on the revision."""


@attrs.frozen(kw_only=True)
class Row:
    """How a command is run."""

    handler: Handler
    need: Need = Need.TIO
    places: dict[str, Place] = attrs.field(factory=dict)
    """What its fields name."""
    status_bytes: StatusPage | None = None
    """How much is written where ``status_paddr`` says."""
    device_step: Callable[[Psp, Call], DeviceStep] | None = None
    """What is asked of the device."""
    tdi_step: Callable[[Psp, Call], TdiStep] | None = None
    """What is asked of the interface."""
    guest: Guest = Guest.NONE
    has_result: bool = False
    """Whether it leaves an object in the output buffer."""
    cancels: Callable[[Call], bool] = lambda call: False
    """Whether it ends an exchange that another command waits in (`SEV_A9`)."""
