"""What the firmware does with guest messages: open, count, answer, seal.

Documents: AMD 56860, "Guest messages"; AMD 58271. The host sees neither a question nor its answer; a message that holds
not is refused to the host, and the guest gets no answer (`SEV_A21`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from pytio.errors import DecodeError, VerificationError
from pytio.mock.psp import tdi_messages
from pytio.mock.psp.call import Call
from pytio.mock.psp.contexts import VMPCK_COUNT, Conversation, GuestContext, TdiContext
from pytio.mock.psp.refusal import Refused
from pytio.sev.codes import SevStatus
from pytio.sev.guest_envelope import LAST_SEQUENCE, MOST_PAYLOAD_BYTES, GuestMessage, open_message, seal_message
from pytio.sev.guest_messages import GUEST_MESSAGES, MESSAGE_VERSIONS
from pytio.sev.tio_codes import PAGE_BYTES, GuestMessageType, GuestMessageTypeR1, Revision
from pytio.wire import WireStruct

if TYPE_CHECKING:
    from pytio.mock.psp.firmware import Psp

__all__ = ("ANSWERS", "guest_request")

_NEW: Final = GuestMessageType
_OLD: Final = GuestMessageTypeR1
_NEW_TYPES: Final = {
    _NEW.TIO_TDI_INFO_REQ: (_NEW.TIO_TDI_INFO_RSP, tdi_messages.tdi_info),
    _NEW.TIO_MMIO_VALIDATE_REQ: (_NEW.TIO_MMIO_VALIDATE_RSP, tdi_messages.mmio_validate),
    _NEW.TIO_MMIO_CONFIG_REQ: (_NEW.TIO_MMIO_CONFIG_RSP, tdi_messages.mmio_config),
    _NEW.TIO_SDTE_WRITE_REQ: (_NEW.TIO_SDTE_WRITE_RSP, tdi_messages.sdte_write),
}
_OLD_TYPES: Final = {
    _OLD.TIO_TDI_INFO_REQ: (_OLD.TIO_TDI_INFO_RSP, tdi_messages.tdi_info),
    _OLD.TIO_MMIO_VALIDATE_REQ: (_OLD.TIO_MMIO_VALIDATE_RSP, tdi_messages.mmio_validate),
    _OLD.TIO_MMIO_CONFIG_REQ: (_OLD.TIO_MMIO_CONFIG_RSP, tdi_messages.mmio_config),
    _OLD.TIO_SDTE_WRITE_REQ: (_OLD.TIO_SDTE_WRITE_RSP, tdi_messages.sdte_write),
}
_Answerer = Callable[["Psp", TdiContext, Any, type[WireStruct]], "Conversation[WireStruct]"]
ANSWERS: Final[Mapping[Revision, Mapping[Any, tuple[Any, _Answerer]]]] = {
    Revision.R1: _OLD_TYPES,
    Revision.R2: _OLD_TYPES,
    Revision.P2: _NEW_TYPES,
    Revision.N: _NEW_TYPES,
}
"""By revision and type of request: the type of the response, and who makes it."""


def guest_request(psp: Psp, call: Call) -> Conversation[None]:
    """TIO_GUEST_REQUEST."""
    asked, tdi, guest = call.message, call.tdi, call.guest
    if tdi.is_bound and tdi.guest is not guest:
        raise Refused(SevStatus.INVALID_GUEST, "the interface is another guest's")
    sealed = _read(psp, asked.req_paddr)
    answer_type, answerer = _check_header(psp, sealed)
    request = _open(psp, guest, sealed)
    layout = GUEST_MESSAGES[psp.revision][answer_type]
    return _answer(psp, call, sealed, answerer(psp, tdi, request, layout), answer_type)


def _answer(
    psp: Psp, call: Call, sealed: GuestMessage, answering: Conversation[WireStruct], answer_type: int
) -> Conversation[None]:
    answer = yield from answering
    guest, number = call.guest, sealed.msg_vmpck
    header = GuestMessage(
        msg_seqno=sealed.msg_seqno + 1,
        msg_type=answer_type,
        msg_version=sealed.msg_version,
        msg_vmpck=number,
        payload=b"",
    )
    guest.sequence[number] = header.msg_seqno
    page = seal_message(guest.vmpcks[number], header, answer.build()).build()
    psp.pages.write(call.message.res_paddr, page.ljust(PAGE_BYTES, b"\0"))


def _read(psp: Psp, paddr: int) -> GuestMessage:
    try:
        return GuestMessage.parse_prefix(psp.pages.read(paddr, PAGE_BYTES))[0]
    except DecodeError as error:
        raise Refused(SevStatus.INVALID_PARAM, str(error)) from error


def _check_header(psp: Psp, sealed: GuestMessage) -> tuple[Any, _Answerer]:
    """Return the type of the answer and who makes it; refuses with INVALID_PARAM what the header should not say."""
    blank = GuestMessage(msg_seqno=0, msg_type=0, payload=b"")
    types = ANSWERS[psp.revision]
    is_good = (
        (sealed.algo, sealed.hdr_version, sealed.hdr_size) == (blank.algo, blank.hdr_version, blank.hdr_size)
        and sealed.msg_type in types
        and sealed.msg_version == MESSAGE_VERSIONS[psp.revision]
        and sealed.msg_vmpck < VMPCK_COUNT
        and sealed.msg_size <= MOST_PAYLOAD_BYTES
        and sealed.msg_size == GUEST_MESSAGES[psp.revision][type(next(iter(types)))(sealed.msg_type)].fixed_size()
    )
    if not is_good:
        raise Refused(SevStatus.INVALID_PARAM, f"the header of a guest message: {sealed}")
    return types[type(next(iter(types)))(sealed.msg_type)]


def _open(psp: Psp, guest: GuestContext, sealed: GuestMessage) -> WireStruct:
    """Return the request; refuses with AEAD_OFLOW or BAD_SIGNATURE."""
    number = sealed.msg_vmpck
    expected = guest.sequence[number] + 1
    if expected >= LAST_SEQUENCE:
        raise Refused(SevStatus.AEAD_OFLOW, f"the counter of VMPCK{number} is used up")
    if not guest.vmpcks or sealed.msg_seqno != expected:
        raise Refused(SevStatus.BAD_SIGNATURE, f"number {sealed.msg_seqno} instead of {expected}")
    try:
        payload = open_message(guest.vmpcks[number], sealed)
    except VerificationError as error:
        raise Refused(SevStatus.BAD_SIGNATURE, str(error)) from error
    kind = type(next(iter(ANSWERS[psp.revision])))(sealed.msg_type)
    return GUEST_MESSAGES[psp.revision][kind].parse(payload)
