"""Somebody tampers with what goes between a guest and its firmware: pages, registers, what either of them says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import attrs

from pytio.clients.psp.exits import GuestOperation, GuestReply, GuestRequest
from pytio.hosts.model.vm import SECRETS_PAGE
from pytio.sev.codes import HypervisorError
from pytio.sev.guest_messages import GUEST_MESSAGES
from pytio.sev.tio_codes import (
    PAGE_BYTES,
    GuestMessageType,
)
from pytio.wire import WireStruct
from tests.hosts.tampering.commands import flip_memory, on_command
from tests.hosts.tampering.stage import REVISION, Stage, Turn, replaced, tampering

_TYPE_AT: Final = 0x34


@tampering
def secrets_page(stage: Stage) -> None:
    """Change the guest's VMPCK0 in its secrets page between the end of the launch and the guest's first look."""

    def around(asked: Any, run: Callable[[], int], paddr: int) -> int:
        rmp = stage.machine.platform.rmp
        status = run()
        assert stage.host is not None
        [guest] = stage.host.kernel.client.guests.values()
        [page] = [paddr for paddr, gpa in guest.pages.items() if gpa == SECRETS_PAGE]
        assert rmp.is_validated(page)
        flip_memory(stage, page + 0x20, 1)
        return status

    on_command(stage, "SNP_LAUNCH_FINISH", Turn(stage), around)


def _on_request(
    stage: Stage,
    message: str,
    number: int,
    around: Callable[[GuestRequest, Callable[[GuestRequest], GuestReply]], GuestReply],
) -> None:
    guest = stage.workflow.guest
    assert guest is not None
    turn = Turn(stage, number)

    def make(carry: Callable[[GuestRequest], GuestReply]) -> Callable[[GuestRequest], GuestReply]:
        def run(request: GuestRequest) -> GuestReply:
            kind = guest.vm.memory.read(request.sw_exitinfo1 + _TYPE_AT, 1, private=False)[0]
            if kind != GuestMessageType[message] or not turn.comes():
                return carry(request)
            return around(request, carry)

        return run

    stage.replace(guest.vm, "request", make)


@tampering
def exit_register(stage: Stage, message: str, register: str, xor: int, number: int = 0) -> None:
    """Change a register between guest and hypervisor."""
    _on_request(
        stage,
        message,
        number,
        lambda request, carry: carry(attrs.evolve(request, **{register: getattr(request, register) ^ xor})),
    )


@tampering
def exit_reply(stage: Stage, message: str, register: str, value: int, number: int = 0) -> None:
    """Change a register on the way back to the guest."""
    changes: dict[str, Any] = {register: value}
    _on_request(stage, message, number, lambda request, carry: attrs.evolve(carry(request), **changes))


@tampering
def guest_page(stage: Stage, message: str, way: str, at: int, xor: int = 1, number: int = 0) -> None:
    """Flip bits in the page of a request, or of its response, or in the data area."""
    guest = stage.workflow.guest
    assert guest is not None

    def around(request: GuestRequest, carry: Callable[[GuestRequest], GuestReply]) -> GuestReply:
        page = {"request": request.sw_exitinfo1, "answer": request.sw_exitinfo2, "area": request.rax}[way]
        reply = carry(request) if way != "request" else None
        old = guest.vm.memory.read(page + at, 1, private=False)
        guest.vm.memory.write(page + at, bytes([old[0] ^ xor]), private=False)
        return reply or carry(request)

    _on_request(stage, message, number, around)


@tampering
def guest_page_replayed(stage: Stage, message: str, way: str, number: int = 1) -> None:
    """Put the page of the message before in the place of one."""
    guest = stage.workflow.guest
    assert guest is not None
    kept: list[bytes] = []

    def make(carry: Callable[[GuestRequest], GuestReply]) -> Callable[[GuestRequest], GuestReply]:
        turn = Turn(stage, number)

        def run(request: GuestRequest) -> GuestReply:
            page = request.sw_exitinfo1 if way == "request" else request.sw_exitinfo2
            is_it = turn.comes()
            if way == "request":
                kept.append(guest.vm.memory.read(page, PAGE_BYTES, private=False))
                if is_it:
                    guest.vm.memory.write(page, kept[-2], private=False)
                return carry(request)
            reply = carry(request)
            kept.append(guest.vm.memory.read(page, PAGE_BYTES, private=False))
            if is_it:
                guest.vm.memory.write(page, kept[-2], private=False)
            return reply

        return run

    stage.replace(guest.vm, "request", make)


@tampering
def operation(stage: Stage, action: int, change: str) -> None:
    """Tamper with a TIO operation: say it is done without doing it, name another interface, or fail."""
    guest = stage.workflow.guest
    assert guest is not None
    turn = Turn(stage)

    def make(carry: Callable[[GuestOperation], GuestReply]) -> Callable[[GuestOperation], GuestReply]:
        def run(asked: GuestOperation) -> GuestReply:
            if asked.sw_exitinfo1 >> 32 != action or not turn.comes():
                return carry(asked)
            if change == "interface":
                return carry(GuestOperation(asked.sw_exitinfo1 ^ 8))
            return GuestReply() if change == "skip" else GuestReply.saying(vmm_err=1)

        return run

    stage.replace(guest.vm, "operate", make)


def _on_message(
    stage: Stage, message: str, number: int, change: Callable[[Any], WireStruct], *, is_answer: bool
) -> None:
    guest = stage.workflow.guest
    assert guest is not None
    turn, layouts = Turn(stage, number), GUEST_MESSAGES[REVISION]

    def make(exchange: Callable[..., Any]) -> Callable[..., Any]:
        def plan(request_type: int, response_type: int, payload: bytes, **asked: Any) -> Any:
            kind = GuestMessageType(response_type if is_answer else request_type)
            is_it = kind.name == message and turn.comes()
            if is_it and not is_answer:
                payload = change(layouts[kind].parse(payload)).build()
            raw, reply = yield from exchange(request_type, response_type, payload, **asked)
            if is_it and is_answer:
                raw = change(layouts[kind].parse(raw)).build()
            return raw, reply

        return plan

    stage.replace(guest.client.channel, "exchange", make)


@tampering
def told(stage: Stage, message: str, field: str, value: Any, number: int = 0) -> None:
    """Let the guest say something else inside a message."""
    _on_message(stage, message, number, lambda said: replaced(said, field, value), is_answer=False)


@tampering
def answered(stage: Stage, message: str, field: str, value: Any, number: int = 0) -> None:
    """Let the firmware say something else inside an answer."""
    _on_message(stage, message, number, lambda said: replaced(said, field, value), is_answer=True)


@tampering
def exit_length(stage: Stage, message: str, pages: int) -> None:
    """Have the hypervisor say that the data area has to be larger."""
    _on_request(
        stage,
        message,
        0,
        lambda request, carry: GuestReply.saying(vmm_err=HypervisorError.INVALID_LEN, rbx=pages),
    )
