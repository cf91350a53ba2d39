"""A guest's end of its messages: it seals, counts, and opens what comes back."""

from __future__ import annotations

from typing import Any

from pytio.sev.codes import SevStatus
from pytio.sev.guest_envelope import GuestMessage, open_message, seal_message
from pytio.sev.guest_messages import GUEST_MESSAGES, MESSAGE_VERSIONS
from pytio.sev.tio_codes import PAGE_BYTES, GuestMessageType, GuestMessageTypeR1, Revision, SevCommand
from pytio.wire import WireStruct
from tests.mock.psp.bench import Bench
from tests.mock.psp.lives import Interface

TDI_INFO = "TIO_TDI_INFO_REQ"
MMIO_VALIDATE = "TIO_MMIO_VALIDATE_REQ"
MMIO_CONFIG = "TIO_MMIO_CONFIG_REQ"
SDTE_WRITE = "TIO_SDTE_WRITE_REQ"


class GuestEnd:
    """What a guest knows: its keys, and how far it has counted."""

    def __init__(self, one: Interface) -> None:
        self.one = one
        self.bench: Bench = one.bench
        self.revision = one.bench.revision
        self.is_older = self.revision in (Revision.R1, Revision.R2)
        self.types: Any = GuestMessageTypeR1 if self.is_older else GuestMessageType
        prefix = f"{one.guest:x}/"
        self.keys = {
            int(key.removeprefix(prefix)): secret
            for kind, key, secret in self.bench.secrets
            if kind == "VMPCK" and key.startswith(prefix)
        }
        self.sequence = dict.fromkeys(self.keys, 0)
        self.request_page = self.bench.host.allocate(1)
        self.response_page = self.bench.page(firmware=True)

    def identity(self) -> dict[str, int]:
        """The interface as this revision names it."""
        if self.revision is Revision.N:
            return {"tdi_id": self.bench.psp.tdis[0].tdi_id}
        return {"guest_device_id": 0x0100}

    def compose(self, name: str, **fields: Any) -> WireStruct:
        return GUEST_MESSAGES[self.revision][self.types[name]](**(self.identity() | fields))

    def seal(self, name: str, payload: bytes, *, vmpck: int = 0, **header: Any) -> GuestMessage:
        facts = {
            "msg_seqno": self.sequence[vmpck] + 1,
            "msg_type": self.types[name],
            "msg_version": MESSAGE_VERSIONS[self.revision],
            "msg_vmpck": vmpck,
            "payload": b"",
        }
        return seal_message(self.keys[vmpck], GuestMessage(**(facts | header)), payload)

    def hand_over(self, page: bytes, **fields: Any) -> SevStatus:
        """Give the host a page, and let it pass it on with whatever the device has to hear."""
        self.bench.host.write(self.request_page, page.ljust(PAGE_BYTES, b"\0"))
        self.bench.platform.memory.write(self.response_page, bytes(PAGE_BYTES))
        common = self.one.common | {"req_paddr": self.request_page, "res_paddr": self.response_page} | fields
        return self.bench.run(SevCommand.TIO_GUEST_REQUEST, **common)

    def open(self, name: str, *, vmpck: int = 0) -> Any:
        """Return the answer, of the right type and number."""
        answer, _ = GuestMessage.parse_prefix(self.bench.host.read(self.response_page, PAGE_BYTES))
        expected = self.types[name.replace("_REQ", "_RSP")]
        assert answer.msg_type == expected
        assert answer.msg_seqno == self.sequence[vmpck] + 2
        assert answer.msg_version == MESSAGE_VERSIONS[self.revision]
        self.sequence[vmpck] += 2
        return GUEST_MESSAGES[self.revision][expected].parse(open_message(self.keys[vmpck], answer))

    def ask(self, name: str, *, vmpck: int = 0, **fields: Any) -> Any:
        """Ask, and return the answer."""
        self.bench.ok(self.hand_over(self.seal(name, self.compose(name, **fields).build(), vmpck=vmpck).build()))
        return self.open(name, vmpck=vmpck)
