"""A host that writes whatever it likes: the firmware answers with a status, and what was another's stays another's."""

from __future__ import annotations

import random

import pytest

from pytio.mock.psp import DeviceState, TdiContextState
from pytio.sev.codes import SevStatus
from pytio.sev.commands import COMMANDS, SPDM_AWARE
from pytio.sev.rmp import PageState
from pytio.sev.tio_codes import PAGE_BYTES, Revision, SevCommand
from pytio.wire import WireStruct
from tests.mock.psp.guest_end import TDI_INFO, GuestEnd
from tests.mock.psp.lives import Interface

ROUNDS = 150
REVISIONS = [Revision.R1, Revision.R2, Revision.P2, Revision.N]


def lay_out(one: Interface, command: SevCommand) -> WireStruct:
    """A command as good as it gets without knowing what it is for."""
    fields = one.common | {
        "length": COMMANDS[one.bench.revision][command].fixed_size(),
        "page_paddr": one.bench.page(firmware=True),
        "req_paddr": one.bench.host.allocate(1),
        "res_paddr": one.bench.page(firmware=True),
        "feature_info_paddr": one.bench.status_page,
        "list_paddr": one.bench.command_page,
        "pfn": 0x300,
        "asid": 3,
        "device_id": 0xE200,
        "meas_nonce": bytes(32),
        "status_length": 4096,
    }
    cls = COMMANDS[one.bench.revision][command]
    names = {field.name for field in cls.FIELDS}
    blank = cls.parse(bytes(cls.fixed_size() or 0))
    return blank.replace(**{name: value for name, value in fields.items() if name in names})


def mutations(rng: random.Random, raw: bytes) -> bytes:
    """Some bytes changed, mostly behind LENGTH."""
    changed = bytearray(raw)
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        at = rng.randrange(rng.choice((0, 4, 4, 4)) if len(raw) > 4 else 0, len(raw))
        changed[at] = rng.choice((0, 1, 0xFF, rng.randrange(256)))
    return bytes(changed)


@pytest.mark.parametrize("revision", REVISIONS, ids=lambda revision: revision.name)
@pytest.mark.parametrize("strict", [True, False], ids=["strict", "lax"])
def test_any_buffer_gets_a_status(revision: Revision, strict: bool) -> None:
    rng = random.Random(f"{revision.name} {strict}")
    one = Interface(TdiContextState.UNBOUND, revision)
    one.bench.psp.is_strict = strict
    dangerous = {SevCommand.SNP_SHUTDOWN_EX}
    commands = [command for command in COMMANDS[revision] if command not in dangerous]
    seen: set[SevStatus] = set()
    for _ in range(ROUNDS):
        command = rng.choice(commands)
        raw = mutations(rng, lay_out(one, command).build())
        status = one.bench.issue(command, raw)
        assert isinstance(status, SevStatus)
        seen.add(status)
        if status is SevStatus.SPDM_REQUEST and rng.random() < 0.5:
            answer = rng.randbytes(rng.randrange(1, 200))
            one.bench.answer(one.control, is_secured=rng.random() < 0.7, answer=answer)
            one.bench.issue(command, raw)
    assert len(seen) > 5


def covered(page: bytes) -> bytes:
    """What the tag covers, and itself: neither the reserved bytes beside it nor those beside the number."""
    return page[:0x10] + page[0x20:0x28] + page[0x30:]


@pytest.mark.parametrize("revision", REVISIONS, ids=lambda revision: revision.name)
def test_any_guest_page_gets_a_status(revision: Revision) -> None:
    rng = random.Random(revision.name)
    one = Interface(TdiContextState.UNBOUND, revision)
    one.lock()
    guest = GuestEnd(one)
    good = guest.seal(TDI_INFO, guest.compose(TDI_INFO).build()).build()
    for _ in range(ROUNDS):
        page = mutations(rng, good) if rng.random() < 0.8 else rng.randbytes(PAGE_BYTES)
        if covered(page) != covered(good):
            assert guest.hand_over(page) in (SevStatus.INVALID_PARAM, SevStatus.BAD_SIGNATURE, SevStatus.AEAD_OFLOW)
    assert guest.ask(TDI_INFO).status == 0


def test_what_the_host_reads_of_contexts_says_nothing() -> None:
    one = Interface(TdiContextState.BIND_RUN)
    secrets = [secret.reveal() for _, _, secret in one.bench.secrets]
    memory = one.bench.platform.memory
    for page in range(0, memory.size_bytes, PAGE_BYTES):
        if one.bench.platform.rmp.state(page) is not PageState.HYPERVISOR:
            content = one.bench.host.read(page, PAGE_BYTES)
            assert not any(secret in content for secret in secrets)


def test_what_the_host_writes_into_contexts_changes_nothing() -> None:
    one = Interface(TdiContextState.BIND_LOCKED)
    memory = one.bench.platform.memory  # the host itself faults
    for page in (one.context.paddr, one.tdi.paddr, one.guest, *one.bench.pages_of(one.control.spdm_scratch)):
        memory.write(page + 64, b"\xff" * (PAGE_BYTES - 64))
    one.bench.ok(one.bind(run=True))
    assert one.bench.psp.devices[one.context].state is DeviceState.CONNECTED
    assert one.state() is TdiContextState.BIND_RUN


def test_a_command_that_waits_survives_whatever_else_is_issued() -> None:
    rng = random.Random(5)
    one = Interface(TdiContextState.UNBOUND)
    bench = one.bench
    bench.refuses(SevStatus.SPDM_REQUEST, SevCommand.TIO_TDI_STATUS, **one.common)
    for _ in range(ROUNDS):
        command = rng.choice(
            [each for each in SPDM_AWARE if "DISCONNECT" not in each.name and "UNBIND" not in each.name]
        )
        if command is not SevCommand.TIO_TDI_STATUS:
            assert bench.issue(command, lay_out(one, command)) is SevStatus.IN_USE
    bench.carry(one.control)
    bench.ok(bench.issue(SevCommand.TIO_TDI_STATUS, **one.common))
