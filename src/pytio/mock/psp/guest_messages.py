"""Messages of guests: about interfaces (TIO_GUEST_REQUEST), and the one that proves how they were launched.

Documents: AMD 58271, "TIO_GUEST_REQUEST"; AMD 56860, "SNP_GUEST_REQUEST". The envelope is in `guest_channel`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from pytio.mock.psp import guest_channel, tdi_messages
from pytio.mock.psp.attesting import report_answer
from pytio.mock.psp.call import Call
from pytio.mock.psp.contexts import Conversation, TdiContext
from pytio.mock.psp.refusal import Refused
from pytio.sev.codes import SevStatus
from pytio.sev.guest_envelope import GuestMessage
from pytio.sev.guest_ioctl import ReportRequest
from pytio.sev.guest_messages import GUEST_MESSAGES, MESSAGE_VERSIONS
from pytio.sev.tio_codes import GuestMessageType, GuestMessageTypeR1, Revision
from pytio.wire import WireStruct

if TYPE_CHECKING:
    from pytio.mock.psp.firmware import Psp

__all__ = ("ANSWERS", "guest_request", "snp_guest_request")

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
_SNP_VERSION: Final = 1
_SNP_SIZES: Final[Mapping[int, int]] = {_NEW.REPORT_REQ: ReportRequest.minimum_size()}


def guest_request(psp: Psp, call: Call) -> Conversation[None]:
    """TIO_GUEST_REQUEST."""
    asked, tdi, guest = call.message, call.tdi, call.guest
    if tdi.is_bound and tdi.guest is not guest:
        raise Refused(SevStatus.INVALID_GUEST, "the interface is another guest's")
    answers, layouts = ANSWERS[psp.revision], GUEST_MESSAGES[psp.revision]
    sizes = {int(kind): layouts[kind].minimum_size() for kind in answers}
    sealed = guest_channel.read(psp, asked.req_paddr, MESSAGE_VERSIONS[psp.revision], sizes)
    [kind] = [kind for kind in answers if kind == sealed.msg_type]
    request = layouts[kind].parse(guest_channel.open_request(guest, sealed))
    answer_type, answerer = answers[kind]
    return _answer(psp, call, sealed, answer_type, answerer(psp, tdi, request, layouts[answer_type]))


def _answer(
    psp: Psp, call: Call, sealed: GuestMessage, answer_type: int, answering: Conversation[WireStruct]
) -> Conversation[None]:
    payload = (yield from answering).build()
    guest_channel.answer(psp, call.guest, sealed, answer_type, payload, call.message.res_paddr)


def snp_guest_request(psp: Psp, call: Call) -> None:
    """SNP_GUEST_REQUEST: of the messages that are not about interfaces, only the attestation report is there."""
    asked = call.message
    sealed = guest_channel.read(psp, asked.req_paddr, _SNP_VERSION, _SNP_SIZES)
    request = ReportRequest.parse(guest_channel.open_request(call.guest, sealed))
    payload = report_answer(psp, call.guest, request, sealed.msg_vmpck)
    guest_channel.answer(psp, call.guest, sealed, _NEW.REPORT_RSP, payload, asked.res_paddr)
