"""A guest's channel to the firmware: one VMPCK, one counter, and no number twice for two messages.

Documents: AMD 56860, "Guest messages"; AMD 58271; the rules are those of the kernel's guest driver. A number is used up
when the message has left the guest, whatever becomes of it: that it went nowhere is only the hypervisor's word. So the
same number is only ever sent again with the very same bytes, and where the guest cannot know how far the firmware has
counted, the key is given up.
"""

from __future__ import annotations

from typing import Final, Self

from pytio.clients.guest.actions import Plan, Request, RequestReply, Wait
from pytio.crypto import Secret
from pytio.errors import BackendBusyError, DecodeError, LocalProtocolError, RemoteProtocolError, SevCommandError
from pytio.sev.codes import HypervisorError, SevStatus
from pytio.sev.guest_envelope import LAST_SEQUENCE, TAG_BYTES, GuestMessage, SecretsPage, open_message, seal_message
from pytio.sev.tio_codes import PAGE_BYTES, SevCommand

__all__ = ("Channel",)

_KEYS: Final = 4
_RETRY_S: Final = 2.0
_MOST_WAIT_S: Final = 60.0
_MOST_DATA_PAGES: Final = 256
"""A megabyte of evidence: more than any device has, less than a hypervisor could ask for to exhaust a guest."""
_LARGEST_MESSAGE_BYTES: Final = 4000
_BACKEND: Final = "sev-guest"


class Channel:
    """One VMPCK and its counter.

    Attributes:
        vmpck: number of the key, 0 to 3.
        sequence: the last number that was used, the response's.
    """

    def __init__(self, key: Secret, vmpck: int, sequence: int = 0) -> None:
        """Take a key and how far its counter is.

        Raises:
            ValueError: there is no such key, or the counter is not that of a response.
        """
        if not 0 <= vmpck < _KEYS:
            raise ValueError(f"VMPCK{vmpck} does not exist")
        if sequence % 2 or not 0 <= sequence <= LAST_SEQUENCE:
            raise ValueError(f"{sequence} is not the number of a response")
        self.vmpck = vmpck
        self.sequence = sequence
        self._key: Secret | None = Secret(key)
        self._is_busy = False

    @classmethod
    def from_secrets(cls, secrets: SecretsPage, vmpck: int = 0) -> Self:
        """Take key and counter from the secrets page.

        Raises:
            ValueError: there is no such key, or it is all zeros: somebody gave it up.
        """
        if not 0 <= vmpck < _KEYS:
            raise ValueError(f"VMPCK{vmpck} does not exist")
        key: bytes = getattr(secrets, f"vmpck{vmpck}")
        if not any(key):
            raise ValueError(f"VMPCK{vmpck} is all zeros")
        return cls(Secret(key), vmpck, secrets.msg_seqno[vmpck])

    def store(self, secrets: SecretsPage) -> SecretsPage:
        """Return the secrets page as it is to be kept: the counter as far as it is, the key zeroed if it was given up.

        It has to be kept before the guest lets go of the channel: another one that starts from an older page would use
        numbers twice.
        """
        numbers = list(secrets.msg_seqno)
        numbers[self.vmpck] = self.sequence
        kept = secrets.replace(msg_seqno=tuple(numbers))
        return kept if self.is_usable else kept.replace(**{f"vmpck{self.vmpck}": bytes(32)})

    @property
    def is_usable(self) -> bool:
        """Whether the key was not given up."""
        return self._key is not None

    def give_up(self) -> None:
        """Forget the key: what the firmware has counted is not known any more."""
        self._key = None

    def exchange(
        self,
        request_type: int,
        response_type: int,
        payload: bytes,
        *,
        version: int,
        rcx: int,
        rdx: int = 0,
        data_pages: int = 0,
        data: bytes = b"",
    ) -> Plan[tuple[bytes, RequestReply]]:
        """Send a message and return the payload of its answer, with what the hypervisor said beside it.

        While the hypervisor is busy, or wants a larger data area, the same bytes are sent again.

        Raises:
            LocalProtocolError: the key was given up, its numbers are used up, or a message is under way; nothing was
                sent.
            SevCommandError: the firmware refused; the key is given up.
            BackendBusyError: the hypervisor was busy for a minute; the key is given up.
            RemoteProtocolError: the hypervisor failed, or the answer is not this message's; the key is given up.
            VerificationError: the answer does not authenticate; the key is given up.
            PytioError: whatever the exit raises; the key is given up.
        """
        key = self._ready_key(request_type)
        header = GuestMessage(
            msg_seqno=self.sequence + 1,
            msg_type=request_type,
            msg_version=version,
            msg_vmpck=self.vmpck,
            payload=b"",
        )
        page = seal_message(key, header, payload).build().ljust(PAGE_BYTES, b"\0")
        self._is_busy = True
        try:
            reply = yield from self._send(Request(page, rcx, rdx, data_pages, data))
            answer = self._open(key, header, response_type, reply.page)
        except BaseException:  # a plan that is closed half-way does not know either
            self.give_up()
            raise
        finally:
            self._is_busy = False
        self.sequence += 2
        return answer, reply

    def _ready_key(self, request_type: int) -> Secret:
        if self._key is None:
            raise LocalProtocolError(f"VMPCK{self.vmpck} was given up", request_type, "another key may be left")
        if self._is_busy:
            raise LocalProtocolError("a message is under way", request_type, "one message of a key at a time")
        if self.sequence + 1 >= LAST_SEQUENCE:
            raise LocalProtocolError(
                f"the numbers of VMPCK{self.vmpck} are used up", request_type, "start the guest anew"
            )
        return self._key

    def _send(self, request: Request) -> Plan[RequestReply]:
        """Exit, and again with the same page as long as that can help."""
        waited = 0.0
        while True:
            reply: RequestReply = yield request
            vmm_err, fw_err = reply.result.vmm_err, reply.result.fw_err
            if vmm_err == HypervisorError.BUSY:
                if waited >= _MOST_WAIT_S:
                    raise BackendBusyError(_BACKEND, f"the hypervisor was busy for {waited:.0f} s")
                yield Wait(_RETRY_S)
                waited += _RETRY_S
            elif vmm_err == HypervisorError.INVALID_LEN:
                request = _with_larger_area(request, reply.rbx)
            elif vmm_err:
                raise RemoteProtocolError("an exit", f"hypervisor error {vmm_err.name}", f"firmware {fw_err.name}")
            elif fw_err:
                raise SevCommandError(SevCommand.TIO_GUEST_REQUEST, fw_err, _FIRMWARE_SAYS.get(fw_err, ""))
            else:
                return reply

    def _open(self, key: Secret, asked: GuestMessage, response_type: int, page: bytes) -> bytes:
        """Return the payload of the answer, once it is this message's and authentic."""
        try:
            answer, _ = GuestMessage.parse_prefix(page)
        except DecodeError as error:
            raise RemoteProtocolError("a message was sent", "no message", str(error)) from error
        wanted = asked.replace(msg_seqno=asked.msg_seqno + 1, msg_type=response_type, msg_size=answer.msg_size)
        for name in ("msg_seqno", "msg_type", "msg_version", "algo", "hdr_version", "hdr_size", "msg_vmpck"):
            got, due = getattr(answer, name), getattr(wanted, name)
            if got != due:
                raise RemoteProtocolError("a message was sent", f"an answer with {name} {got}", f"{due} is due")
        if answer.msg_size + TAG_BYTES > _LARGEST_MESSAGE_BYTES:
            raise RemoteProtocolError("a message was sent", f"an answer of {answer.msg_size} bytes", "it is too long")
        return open_message(key, answer)

    def __repr__(self) -> str:
        """Say which key it is and how far it is counted."""
        return f"<Channel VMPCK{self.vmpck}, {self.sequence}{'' if self.is_usable else ', given up'}>"


_FIRMWARE_SAYS: Final = {
    SevStatus.INVALID_PARAM: "it does not take the message's header",
    SevStatus.BAD_SIGNATURE: "the message does not authenticate, or its number is not the next one",
    SevStatus.AEAD_OFLOW: "the numbers of the key are used up",
}


def _with_larger_area(request: Request, pages: int) -> Request:
    """Return the same request with the data area that the hypervisor wants."""
    if not request.data_pages < pages <= _MOST_DATA_PAGES:
        got = f"{pages} pages instead of {request.data_pages}"
        raise RemoteProtocolError("an exit", f"hypervisor error INVALID_LEN: {got}", f"{_MOST_DATA_PAGES} at most")
    return Request(request.page, request.rcx, request.rdx, pages, request.data)
