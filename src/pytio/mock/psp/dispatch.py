"""How a command is run: its checks, one after the other in one order (`SEV_A41`), and then what its row says.

Document: AMD 58271; which condition gives which status is mostly not public. A command that talks to the device is a
conversation: it ends with SPDM_REQUEST as long as the host has something to carry, and goes on where it was when the
host issues it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytio.errors import PytioError
from pytio.mock.psp import checks
from pytio.mock.psp.call import Call, Pending, Row
from pytio.mock.psp.contexts import Carry, Conversation, Grow
from pytio.mock.psp.device_states import DeviceState
from pytio.mock.psp.losses import cancel
from pytio.mock.psp.refusal import Refused
from pytio.mock.psp.table import ROWS
from pytio.sev.codes import SevStatus
from pytio.sev.commands import SPDM_AWARE
from pytio.sev.tio_codes import SevCommand

if TYPE_CHECKING:
    from pytio.mock.psp.firmware import Psp

__all__ = ("run",)


def run(psp: Psp, command: SevCommand, paddr: int) -> SevStatus:
    """Run a command and return its status; whatever it is refused with is raised as `Refused`."""
    row = checks.known(psp, command, ROWS)
    call = checks.read(psp, command, paddr)
    checks.platform(psp, row)
    checks.reserved_bytes(psp, call)
    checks.addresses(psp, row, call)
    checks.contexts(psp, row, call)
    if command in SPDM_AWARE:
        pending = checks.pending(psp, row, call)
        if pending is not None:
            return _resume(psp, row, call, pending)
    checks.device_state(psp, row, call)
    checks.tdi_state(psp, row, call)
    checks.guest(psp, row, call)
    conversation = row.handler(psp, call)
    if conversation is None:
        if call.buffers is not None:
            call.buffers.clear_output()
        return SevStatus.SUCCESS
    return _begin(psp, row, call, conversation)


def _begin(psp: Psp, row: Row, call: Call, conversation: Conversation[None]) -> SevStatus:
    pending = Pending(call, conversation)
    if call.command is SevCommand.TIO_DEV_CONNECT:
        call.device.state = DeviceState.CONNECTING
    call.device.pending = pending
    return _go_on(psp, row, call, pending, None)


def _resume(psp: Psp, row: Row, call: Call, pending: Pending) -> SevStatus:
    """Go on with what waits for this very command."""
    assert call.buffers is not None
    if pending.waits_for_growth:
        return _go_on(psp, row, call, pending, b"")
    try:
        answer = call.buffers.answer(is_secured=pending.was_secured)
    except Refused:
        cancel(psp, call.device)
        raise
    return _go_on(psp, row, call, pending, answer)


def _go_on(psp: Psp, row: Row, call: Call, pending: Pending, answer: bytes | None) -> SevStatus:
    """Advance a conversation to where the host has to act, or to its end."""
    device, buffers = call.device, call.buffers
    assert buffers is not None
    pending.call.buffers = buffers
    try:
        wanted = next(pending.conversation) if answer is None else pending.conversation.send(answer)
        if isinstance(wanted, Carry):
            buffers.ask(wanted)
    except StopIteration:
        device.pending = None
        if not row.has_result:
            buffers.clear_output()
        return SevStatus.SUCCESS
    except Refused:
        cancel(psp, call.device)
        raise
    except (PytioError, ValueError) as error:  # what the device said holds not, or is none of what may come
        cancel(psp, call.device)
        raise Refused(SevStatus.SPDM_ERROR, f"{type(error).__name__}: {error}") from error
    if isinstance(wanted, Grow):
        pending.waits_for_growth = True
        buffers.grow(wanted)
        return SevStatus.EXPAND_BUFFER_LENGTH_REQUEST
    pending.waits_for_growth, pending.was_secured = False, wanted.is_secured
    return SevStatus.SPDM_REQUEST
