"""The firmware's end of a guest's messages: open, count, seal.

Document: AMD 56860, "Guest messages". The host sees neither a question nor its answer; a message that holds not is
refused to the host, and the guest gets no answer (`SEV_A21`). One counter for each key, whatever the message is about.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from pytio.errors import DecodeError, VerificationError
from pytio.mock.psp.contexts import VMPCK_COUNT, GuestContext
from pytio.mock.psp.refusal import Refused
from pytio.sev.codes import SevStatus
from pytio.sev.guest_envelope import LAST_SEQUENCE, GuestMessage, open_message, seal_message
from pytio.sev.tio_codes import PAGE_BYTES

if TYPE_CHECKING:
    from pytio.mock.psp.firmware import Psp

__all__ = ("answer", "open_request", "read")

_BLANK: Final = GuestMessage(msg_seqno=0, msg_type=0, payload=b"")
_FIXED: Final = ("algo", "hdr_version", "hdr_size")


def read(psp: Psp, paddr: int, version: int, sizes: Mapping[int, int]) -> GuestMessage:
    """Return the message in a page; refuses with INVALID_PARAM what its header should not say.

    Args:
        psp: whose memory it is in.
        paddr: the page.
        version: MSG_VERSION that is spoken.
        sizes: bytes of each request that is known, by message type.
    """
    try:
        sealed, _ = GuestMessage.parse_prefix(psp.pages.read(paddr, PAGE_BYTES))
    except DecodeError as error:
        raise Refused(SevStatus.INVALID_PARAM, str(error)) from error
    is_good = (
        all(getattr(sealed, name) == getattr(_BLANK, name) for name in _FIXED)
        and sealed.msg_version == version
        and sealed.msg_vmpck < VMPCK_COUNT
        and sizes.get(sealed.msg_type) == sealed.msg_size
    )
    if not is_good:
        raise Refused(SevStatus.INVALID_PARAM, f"the header of a guest message: {sealed}")
    return sealed


def open_request(guest: GuestContext, sealed: GuestMessage) -> bytes:
    """Return the payload of the guest's next message; refuses with AEAD_OFLOW or BAD_SIGNATURE."""
    number = sealed.msg_vmpck
    if guest.sequence[number] + 1 >= LAST_SEQUENCE:
        raise Refused(SevStatus.AEAD_OFLOW, f"the counter of VMPCK{number} is used up")
    _check_next(guest, sealed)
    try:
        return open_message(guest.vmpcks[number], sealed)
    except VerificationError as error:
        raise Refused(SevStatus.BAD_SIGNATURE, str(error)) from error


def answer(psp: Psp, guest: GuestContext, sealed: GuestMessage, answer_type: int, payload: bytes, paddr: int) -> None:
    """Seal the answer to a message into a page, and count both.

    Refuses with BAD_SIGNATURE where another message under this key was answered meanwhile: no number is used twice.
    """
    _check_next(guest, sealed)
    header = GuestMessage(
        msg_seqno=sealed.msg_seqno + 1,
        msg_type=answer_type,
        msg_version=sealed.msg_version,
        msg_vmpck=sealed.msg_vmpck,
        payload=b"",
    )
    guest.sequence[sealed.msg_vmpck] = header.msg_seqno
    page = seal_message(guest.vmpcks[sealed.msg_vmpck], header, payload).build()
    psp.pages.write(paddr, page.ljust(PAGE_BYTES, b"\0"))


def _check_next(guest: GuestContext, sealed: GuestMessage) -> None:
    expected = guest.sequence[sealed.msg_vmpck] + 1
    if not guest.vmpcks or sealed.msg_seqno != expected:
        raise Refused(SevStatus.BAD_SIGNATURE, f"number {sealed.msg_seqno} instead of {expected}")
