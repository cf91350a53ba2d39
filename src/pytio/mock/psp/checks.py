"""The checks that every command passes, one function for each step of their order (`SEV_A41`).

1. the command is known, and SEV-TIO is there; 2. LENGTH; 3. what is initialized; 4. reserved bytes; 5. shapes of
addresses, owners of pages, sizes of buffers; 6. contexts; 7. no other exchange waits; 8. states of device and
interface; 9. the guest. What is left, parameters and the exchange itself, is the command's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from pytio.errors import SevDecodeError
from pytio.mock.psp.buffers import Buffer, SpdmBuffers
from pytio.mock.psp.call import Call, Guest, Need, Pending, Place, Row
from pytio.mock.psp.device_states import TRANSITIONS as DEVICE_TRANSITIONS
from pytio.mock.psp.device_states import DeviceState
from pytio.mock.psp.pages import FIRMWARE_PAGES
from pytio.mock.psp.refusal import Refused
from pytio.mock.psp.tdi_states import TRANSITIONS as TDI_TRANSITIONS
from pytio.sev.codes import SevStatus
from pytio.sev.commands import COMMANDS, SPDM_AWARE, LockFlags
from pytio.sev.data_objects import SpdmControl
from pytio.sev.rmp import PageState
from pytio.sev.sla import NULL, Sla
from pytio.sev.tio_codes import PAGE_BYTES, Revision, SevCommand
from pytio.wire import WireStruct

if TYPE_CHECKING:
    from pytio.mock.psp.firmware import Psp

__all__ = (
    "NO_BUFFER",
    "addresses",
    "contexts",
    "device_state",
    "guest",
    "known",
    "new_context",
    "pending",
    "platform",
    "read",
    "reserved_bytes",
    "tdi_state",
)

_LENGTH_BYTES: Final = 4
_FIRST_TIO_COMMAND: Final = SevCommand.TIO_STATUS
_QWORD_BYTES: Final = 8
NO_BUFFER: Final = frozenset({SevCommand.SNP_DF_FLUSH})
"""Commands that are all said by their number."""
_ANY_OWNER: Final = frozenset({PageState.HYPERVISOR, PageState.FIRMWARE})
_HYPERVISOR: Final = frozenset({PageState.HYPERVISOR})


# 1, 2


def known(psp: Psp, command: SevCommand, rows: Mapping[SevCommand, Row]) -> Row:
    """Return a command's row; refuses with INVALID_COMMAND, or with UNSUPPORTED where SEV-TIO is not built in."""
    is_laid_out = command in COMMANDS[psp.revision] or command in NO_BUFFER
    if not is_laid_out or command not in rows:
        raise Refused(SevStatus.INVALID_COMMAND, f"{psp.revision.name} lacks {command.name}")
    if command >= _FIRST_TIO_COMMAND and not psp.config.supports_tio:
        raise Refused(SevStatus.UNSUPPORTED, "this firmware lacks SEV-TIO")
    return rows[command]


def read(psp: Psp, command: SevCommand, paddr: int) -> Call:
    """Return what the command buffer says; refuses with INVALID_LEN for a wrong LENGTH (`SEV_A2`)."""
    if command in NO_BUFFER:
        return Call(command, b"", None)
    cls = COMMANDS[psp.revision][command]
    size = cls.fixed_size()
    assert size is not None
    if any(field.name == "length" for field in cls.FIELDS):
        length = int.from_bytes(psp.pages.read(paddr, _LENGTH_BYTES), "little")
        if length != size:
            raise Refused(SevStatus.INVALID_LEN, f"LENGTH {length} of {command.name}, which has {size} bytes")
    buffer = psp.pages.read(paddr, size)
    try:
        return Call(command, buffer, cls.parse(buffer))
    except SevDecodeError as error:
        raise Refused(SevStatus.INVALID_PARAM, str(error)) from error


# 3


_NEEDS: Final[Mapping[Need, Callable[[Psp], bool]]] = {
    Need.NOTHING: lambda psp: True,
    Need.SNP: lambda psp: psp.is_initialized,
    Need.TIO_ENABLED: lambda psp: psp.is_initialized and psp.tio_en and not psp.tio_init_done,
    Need.TIO: lambda psp: psp.tio_init_done,
}


def platform(psp: Psp, row: Row) -> None:
    """Refuse with INVALID_PLATFORM_STATE what something has to be initialized for (`SEV_A20`)."""
    if not _NEEDS[row.need](psp):
        raise Refused(SevStatus.INVALID_PLATFORM_STATE, f"it needs {row.need.value}")


# 4


def reserved_bytes(psp: Psp, call: Call) -> None:
    """Refuse with INVALID_PARAM reserved bytes that are not zero; a lax firmware ignores them (`SEV_A1`)."""
    if psp.is_strict and call.message is not None and (named := _reserved(call.message)):
        raise Refused(SevStatus.INVALID_PARAM, f"{named} is not zero")


def _reserved(message: WireStruct) -> str | None:
    """Return the name of a reserved field that is not zero; addresses and lock flags are judged later."""
    for field in message.FIELDS:
        value: Any = getattr(message, field.name)
        if field.name.startswith("reserved") and any(value if isinstance(value, bytes) else (value,)):
            return field.name
        is_inside = isinstance(value, WireStruct) and not isinstance(value, Sla | SpdmControl | LockFlags)
        if is_inside and (named := _reserved(value)):
            return f"{field.name}.{named}"
    return None


# 5


def addresses(psp: Psp, row: Row, call: Call) -> None:
    """Check everything that the command names: shapes first, then owners, then sizes."""
    message = call.message
    places = _places(row, call)
    for name, place in places.items():
        _SHAPES[place](psp, row, getattr(message, name))
    for name, place in places.items():
        if place in _OWNERS:
            _OWNERS[place](psp, getattr(message, name))
    if call.command in SPDM_AWARE:
        sizes = psp.config.sizes
        smallest = {
            "spdm_req": sizes.req[0],
            "spdm_rsp": sizes.rsp[0],
            "spdm_scratch": sizes.scratch[0],
            "spdm_output": sizes.out[0],
        }
        call.buffers = SpdmBuffers(psp.pages, message.spdm_ctrl, smallest, needs_output=row.has_result)


def _places(row: Row, call: Call) -> dict[str, Place]:
    """Return what the command names in this revision, by field."""
    return {name: place for name, place in row.places.items() if hasattr(call.message, name)}


def _shape_of_status(psp: Psp, row: Row, paddr: int) -> None:
    assert row.status_bytes is not None
    psp.pages.check_range(paddr, row.status_bytes(psp), alignment=_QWORD_BYTES)


def _shape_of_page(psp: Psp, row: Row, paddr: int) -> None:
    psp.pages.check_range(paddr, PAGE_BYTES)


def _shape_of_new_context(psp: Psp, row: Row, sla: Sla) -> None:
    psp.pages.of_buffer(sla)


def _shape_of_handle(psp: Psp, row: Row, sla: Sla) -> None:
    psp.pages.check_shape(sla)


def _owner_of_status(psp: Psp, paddr: int) -> None:
    is_plain = psp.revision is Revision.R1
    psp.pages.check_states((_page(paddr),), _HYPERVISOR if is_plain else FIRMWARE_PAGES)


def _owner_of_early_status(psp: Psp, paddr: int) -> None:
    psp.pages.check_states((_page(paddr),), _ANY_OWNER)


def _owner_of_firmware_page(psp: Psp, paddr: int) -> None:
    psp.pages.check_states((paddr,), FIRMWARE_PAGES)


def _owner_of_request(psp: Psp, paddr: int) -> None:
    psp.pages.check_states((paddr,), _HYPERVISOR)


def _owner_of_new_context(psp: Psp, sla: Sla) -> None:
    psp.pages.check_states(psp.pages.of_buffer(sla), FIRMWARE_PAGES, is_2mib=sla.is_2mib)


def _page(paddr: int) -> int:
    return paddr - paddr % PAGE_BYTES


_SHAPES: Final[Mapping[Place, Callable[[Psp, Row, Any], None]]] = {
    Place.NEW_CONTEXT: _shape_of_new_context,
    Place.HANDLE: _shape_of_handle,
    Place.STATUS: _shape_of_status,
    Place.EARLY_STATUS: _shape_of_status,
    Place.PAGE: _shape_of_page,
    Place.NEW_GUEST_CONTEXT: _shape_of_page,
    Place.REQUEST_PAGE: _shape_of_page,
    Place.RESPONSE_PAGE: _shape_of_page,
}
_OWNERS: Final[Mapping[Place, Callable[[Psp, Any], None]]] = {
    Place.NEW_CONTEXT: _owner_of_new_context,
    Place.STATUS: _owner_of_status,
    Place.EARLY_STATUS: _owner_of_early_status,
    Place.NEW_GUEST_CONTEXT: _owner_of_firmware_page,
    Place.REQUEST_PAGE: _owner_of_request,  # `SEV_A35`
    Place.RESPONSE_PAGE: _owner_of_firmware_page,  # `SEV_A35`
}


def new_context(psp: Psp, sla: Sla, size: int) -> tuple[int, ...]:
    """Return the pages of a context to be; refuses with INCORRECT_BUFFER_LENGTH what is too small (`SEV_A8`)."""
    buffer = Buffer(psp.pages, sla)
    if not size <= buffer.header().capacity_sz <= buffer.size:
        raise Refused(SevStatus.INCORRECT_BUFFER_LENGTH, f"a context of {buffer.header().capacity_sz} bytes")
    return buffer.pages


# 6


def contexts(psp: Psp, row: Row, call: Call) -> None:
    """Find device and interface; refuses with INVALID_DEV_CTX, INVALID_TDI_CTX or INVALID_TDI."""
    message, places = call.message, _places(row, call)
    if places.get("dev_ctx_sla") is Place.HANDLE:
        call.found_device = psp.devices.get(message.dev_ctx_sla)
        if call.found_device is None:
            raise Refused(SevStatus.INVALID_DEV_CTX, f"{message.dev_ctx_sla} names no device")
    if places.get("tdi_ctx_sla") is Place.HANDLE:
        tdis = {tdi.handle: tdi for tdi in psp.tdis}
        call.found_tdi = tdis.get(message.tdi_ctx_sla) if message.tdi_ctx_sla != NULL else None
        if call.found_tdi is None:
            raise Refused(SevStatus.INVALID_TDI_CTX, f"{message.tdi_ctx_sla} names no interface")
        if call.found_tdi.device is not call.found_device:
            raise Refused(SevStatus.INVALID_TDI, "the interface is another device's")


# 7


def pending(psp: Psp, row: Row, call: Call) -> Pending | None:
    """Return the exchange that this command goes on with, None if none waits or it cancels what does (`SEV_A9`).

    Refuses with IN_USE where another command waits, and with INVALID_PARAM where this one waits with another buffer.
    """
    waiting = call.device.pending
    if waiting is None:
        return None
    if row.cancels(call):
        return None
    if waiting.call.command is not call.command:
        raise Refused(SevStatus.IN_USE, f"{waiting.call.command.name} waits for the device")
    expected = waiting.call.message
    if waiting.waits_for_growth:  # `SEV_A11`
        expected = expected.replace(spdm_ctrl=call.message.spdm_ctrl)
    if call.message != expected:
        raise Refused(SevStatus.INVALID_PARAM, "the command waits for the device with another buffer")
    return waiting


# 8


def device_state(psp: Psp, row: Row, call: Call) -> None:
    """Refuse what the device's state does not allow, with the status that the table has for it."""
    if row.device_step is None:
        return
    state = call.found_device.state if call.found_device is not None else DeviceState.NONE
    step = row.device_step(psp, call)
    after = DEVICE_TRANSITIONS[state, step]
    if isinstance(after, SevStatus):
        raise Refused(after, f"{step.value}: {state.value}")


def tdi_state(psp: Psp, row: Row, call: Call) -> None:
    """Refuse what the interface's state does not allow, with the status that the table has for it."""
    if row.tdi_step is None or call.found_tdi is None:
        return
    step = row.tdi_step(psp, call)
    after = TDI_TRANSITIONS[call.tdi.state, step]
    if isinstance(after, SevStatus):
        raise Refused(after, f"{step.value}: {call.tdi.state.value}")


# 9


def guest(psp: Psp, row: Row, call: Call) -> None:
    """Find the guest; refuses with INVALID_GUEST, or with INACTIVE where it has no ASID."""
    if row.guest is Guest.NONE:
        return
    call.found_guest = psp.guests.get(call.message.gctx_paddr)
    if call.found_guest is None:
        raise Refused(SevStatus.INVALID_GUEST, f"{call.message.gctx_paddr:#x} is no guest's context")
    if row.guest is Guest.ACTIVE and not call.guest.asid:
        raise Refused(SevStatus.INACTIVE, "the guest has no ASID")
