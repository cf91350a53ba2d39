"""A device on a host of paper: every order, every byte, every way in which a step fails."""

from __future__ import annotations

from typing import Any

import pytest

from pytio.clients.ide_streams import WriteConfig
from pytio.clients.psp import (
    HOST_MANNERS,
    BindStep,
    ConnectOptions,
    ConnectStep,
    Device,
    Interface,
    PspClient,
    find_ports,
)
from pytio.clients.psp.actions import Allocate, DoeExchange, Free, Issue, RmpUpdate
from pytio.errors import (
    BackendError,
    LocalProtocolError,
    RemoteProtocolError,
    SevCommandError,
    SevDecodeError,
    VerificationError,
)
from pytio.ids import InterfaceId
from pytio.mock import MockFunction
from pytio.sev.codes import SevStatus
from pytio.sev.commands import SPDM_AWARE
from pytio.sev.data_objects import BufferHeader, ResultObject, SpdmObject
from pytio.sev.structures import DeviceStatus, DeviceStatusR1
from pytio.sev.tio_codes import (
    PAGE_BYTES,
    DataObjectId,
    DeviceContextState,
    Revision,
    SevCommand,
    SpdmDataType,
)
from tests.clients.psp.fake import DEVICE, EVIDENCE, HANDLERS, ROOT, FakeHost, Handler, leaving, writes

C = SevCommand
PLAIN, SECURED = SpdmDataType.PLAIN, SpdmDataType.SECURED
NONCE = bytes(range(32))
REVISIONS = [Revision.R1, Revision.R2, Revision.U, Revision.P2, Revision.N]
TALK = [(PLAIN, b"\x10\x84\0\0"), (PLAIN, b"\x12\xe1"), (SECURED, b"record" * 300)]


def started(revision: Revision = Revision.P2) -> tuple[FakeHost, PspClient]:
    """Return a host whose platform is initialized."""
    host, client = FakeHost(revision), PspClient(revision)
    host.run(client.init())
    host.done.clear()
    return host, client


def connected(revision: Revision = Revision.P2, **options: Any) -> tuple[FakeHost, PspClient, Device]:
    """Return a host with a device."""
    host, client = started(revision)
    device = host.run(client.connect(host.ports, ConnectOptions(nonce=NONCE, **options)))
    host.done.clear()
    return host, client, device


def test_the_golden_bytes_of_a_connect() -> None:
    host, client = started()
    host.dialogue[C.TIO_DEV_CONNECT] = TALK
    device = host.run(client.connect(host.ports, ConnectOptions(nonce=NONCE)))
    sla, control = device.sla.build(), device.bounce.buffers.control().build()
    assert host.issued(C.TIO_DEV_CREATE).build() == (
        bytes.fromhex("20000000 00000000") + sla + bytes.fromhex("0001 0200 00 0000000000000000000000")
    )
    assert host.issued(C.TIO_DEV_CONNECT).build() == (
        bytes.fromhex("50000000 00000000")
        + control
        + bytes(8)
        + sla
        + bytes.fromhex("0100000000000000 00ffffffffffffff 0000000000000000")
    )
    assert host.issued(C.TIO_DEV_MEASUREMENTS).meas_nonce == NONCE
    assert host.commands() == [C.TIO_DEV_CREATE, *[C.TIO_DEV_CONNECT] * 4, C.TIO_DEV_MEASUREMENTS]


def test_requests_go_to_the_mailbox_exactly_and_responses_come_back_padded() -> None:
    host, client = started()
    host.dialogue[C.TIO_DEV_CONNECT] = TALK
    device = host.run(client.connect(host.ports))
    assert host.asked == [(kind is SECURED, text) for kind, text in TALK]
    exchanges = [action for action in host.done if isinstance(action, DoeExchange)]
    assert {action.device for action in exchanges} == {DEVICE}
    for (_, text), answer in zip(TALK, host.answers, strict=True):
        exact = b"answer to " + text
        assert answer == exact.ljust(-(-(len(exact) + 16) // 32) * 32 - 16, b"\0")
    payload, header, _ = host.response(device.bounce.buffers.spdm_rsp.sla)
    assert (payload, header[:8].hex()) == (16, "0200000000000000")


def test_the_object_around_ten_bytes_of_response() -> None:
    host, client = started()
    host.dialogue[C.TIO_DEV_CONNECT] = [(PLAIN, b"\0")]
    seen: list[tuple[int, bytes, bytes]] = []

    def refuse(host: FakeHost, buffer: Any) -> int:
        seen.append(host.response(buffer.spdm_ctrl.spdm_rsp))
        return SevStatus.SPDM_ERROR

    host.handlers[C.TIO_DEV_CONNECT] = refuse
    host._do_DoeExchange = lambda action: b"0123456789"  # type: ignore[method-assign]
    with pytest.raises(SevCommandError):
        host.run(client.connect(host.ports))
    assert seen == [(0x20, bytes.fromhex("02000000 20000000 00 01 01 0000000000"), b"0123456789".ljust(16, b"\0"))]


@pytest.mark.parametrize("revision", REVISIONS, ids=lambda revision: revision.name)
def test_each_revision_has_its_order(revision: Revision) -> None:
    host, client = started(revision)
    device = host.run(client.connect(host.ports))
    wanted = {
        Revision.R1: "IDE CREATE CONNECT MEASUREMENTS CERTIFICATES ENABLE",
        Revision.R2: "IDE ENABLE CREATE CONNECT MEASUREMENTS",
        Revision.U: "CREATE IDE CONNECT ENABLE",
        Revision.P2: "CREATE IDE CONNECT MEASUREMENTS ENABLE",
        Revision.N: "CREATE IDE CONNECT MEASUREMENTS ENABLE",
    }
    told: list[str] = []
    for action in host.done:
        word = ""
        if isinstance(action, Issue) and action.command is not C.SNP_PAGE_RECLAIM:
            word = action.command.name.removeprefix("TIO_DEV_")
        elif isinstance(action, WriteConfig):
            word = "ENABLE" if action.offset == host.ports.root_port_ide + 16 and action.data[0] & 1 else "IDE"
        if word and word not in told:
            told.append(word)
    assert " ".join(told) == wanted[revision]
    create, connect = host.issued(C.TIO_DEV_CREATE), host.issued(C.TIO_DEV_CONNECT)
    assert create.root_port_id == (0 if revision is Revision.R1 else 2)
    assert connect.ide_stream_id[1] == (0xFF if revision in (Revision.U, Revision.P2, Revision.N) else 0)
    assert device.is_connected
    host.run(client.disconnect(device))
    assert host.is_clean()


def test_the_stream_of_the_host_bridge_is_named_but_in_r1() -> None:
    for revision, named in ((Revision.R1, 0), (Revision.R2, 1), (Revision.P2, 1)):
        host, client = started(revision)
        host.ports.slots.take()
        host.run(client.connect(host.ports))
        assert host.issued(C.TIO_DEV_CONNECT).ide_stream_id[0] == named


@pytest.mark.parametrize("revision", REVISIONS, ids=lambda revision: revision.name)
def test_whatever_fails_nothing_is_left(revision: Revision) -> None:
    """Every action fails once: no page, no stream, no slot, no device stays, but what could not be given back."""
    counted, client = started(revision)
    counted.dialogue[C.TIO_DEV_CONNECT] = TALK
    counted.run(client.connect(counted.ports))
    whole = [type(action) for action in counted.done]
    for failing in range(1, len(whole) + 1):
        host, client = started(revision)
        host.dialogue[C.TIO_DEV_CONNECT] = TALK
        host.fails_at = failing
        with pytest.raises(BackendError, match=f"{whole[failing - 1].__name__} failed"):
            host.run(client.connect(host.ports))
        host.fails_at = None
        assert set(host.pages) == set(client.firmware.pool.lost), (failing, whole[failing - 1])
        host.run(client.recover())
        assert host.is_clean(), (failing, counted.done[failing - 1])
        assert not client.devices


@pytest.mark.parametrize("kind", [Allocate, RmpUpdate, DoeExchange, WriteConfig])
def test_a_host_that_stays_broken_loses_what_it_says_it_loses(kind: type) -> None:
    """All actions of a kind fail, also those of the rollback: once they work again, recover brings everything back."""
    host, client = started()
    host.dialogue[C.TIO_DEV_CONNECT] = TALK
    host.fails = kind
    with pytest.raises(BackendError, match=f"{kind.__name__} failed"):
        host.run(client.connect(host.ports))
    host.fails = None
    host.run(client.recover())
    assert host.is_clean()
    assert not client.devices


def test_what_fails_in_the_rollback_is_a_note() -> None:
    host, client = started()
    host.refuse = {C.TIO_DEV_CONNECT: SevStatus.ERR_IN_DEV_CONN, C.TIO_DEV_RECLAIM: SevStatus.IN_USE}
    with pytest.raises(SevCommandError) as caught:
        host.run(client.connect(host.ports))
    assert caught.value.status == SevStatus.ERR_IN_DEV_CONN
    [note] = caught.value.__notes__
    assert "TIO_DEV_RECLAIM failed with IN_USE" in note
    [device] = client.devices.values()  # its context is the firmware's still
    assert len(host.pages) == 1
    with pytest.raises(LocalProtocolError, match="not cleaned up"):
        host.run(client.connect(host.ports))
    del host.refuse[C.TIO_DEV_RECLAIM]
    host.run(client.recover())
    assert host.is_clean()
    assert not client.devices
    assert device.is_gone


@pytest.mark.parametrize("command", [C.TIO_DEV_CREATE, C.TIO_DEV_CONNECT, C.TIO_DEV_MEASUREMENTS])
@pytest.mark.parametrize("status", [SevStatus.SPDM_ERROR, SevStatus.INVALID_PARAM, SevStatus.RESOURCE_LIMIT])
def test_a_refusal_of_a_step_leaves_nothing(command: SevCommand, status: SevStatus) -> None:
    host, client = started()
    host.refuse[command] = status
    with pytest.raises(SevCommandError) as caught:
        host.run(client.connect(host.ports))
    assert (caught.value.command, caught.value.status) == (command, status)
    assert host.is_clean()


def test_r2_goes_on_without_measurements() -> None:
    host, client = started(Revision.R2)
    host.refuse[C.TIO_DEV_MEASUREMENTS] = SevStatus.SPDM_ERROR
    device = host.run(client.connect(host.ports))
    assert device.measurements is None
    assert device.is_connected


def test_a_stream_that_stays_insecure_is_no_connection() -> None:
    host, client = started()

    def lose_keys(host: FakeHost, buffer: Any) -> int:
        host.has_keys = False
        return HANDLERS[C.TIO_DEV_MEASUREMENTS](host, buffer)

    host.handlers[C.TIO_DEV_MEASUREMENTS] = lose_keys
    with pytest.raises(VerificationError, match="INSECURE"):
        host.run(client.connect(host.ports))
    assert host.commands()[-2:] == [C.TIO_DEV_DISCONNECT, C.TIO_DEV_RECLAIM]
    assert host.is_clean()


# the bounce


def test_a_failed_exchange_is_told_to_the_firmware() -> None:
    host, _, device = connected()
    host.dialogue[C.TIO_DEV_CERTIFICATES] = TALK
    host.fails = DoeExchange
    with pytest.raises(BackendError, match="DoeExchange failed") as caught:
        host.run(device.read_certificates())
    assert not hasattr(caught.value, "__notes__")
    assert host.commands() == [C.TIO_DEV_CERTIFICATES] * 2
    first, second = (action.buffer for action in host.done if isinstance(action, Issue))
    assert first == second
    host.fails = None
    host.run(device.read_certificates())  # nothing is pending any more


@pytest.mark.parametrize(
    ("answer", "reason"), [(b"", "an empty response"), (b"x" * (8192 - 64 - 16 + 1), "do not fit into RSP")]
)
def test_a_response_that_is_none(answer: bytes, reason: str) -> None:
    host, _, device = connected()
    host.dialogue[C.TIO_DEV_CERTIFICATES] = TALK
    host._do_DoeExchange = lambda action: answer  # type: ignore[method-assign]
    with pytest.raises(RemoteProtocolError, match=reason):
        host.run(device.read_certificates())
    assert host.commands() == [C.TIO_DEV_CERTIFICATES] * 2


def test_the_largest_response_fits() -> None:
    host, _, device = connected()
    host.dialogue[C.TIO_DEV_CERTIFICATES] = TALK[:1]
    host._do_DoeExchange = lambda action: b"x" * (8192 - 64 - 16)  # type: ignore[method-assign]
    host.run(device.read_certificates())


@pytest.mark.parametrize(
    "request_object",
    [
        bytes(16),
        SpdmObject(object_id=DataObjectId.SPDM_RESPONSE, message=b"1234").build(),
        SpdmObject(object_id=DataObjectId.SPDM_REQUEST, message=b"").build(),
        SpdmObject(object_id=DataObjectId.SPDM_REQUEST, data_type=SpdmDataType(3), message=b"1234").build(),
        bytes.fromhex("01000000 ffff0000 0001 01 0000000000"),
        bytes.fromhex("01000000 ffffffff 0001 01 0000000000"),
    ],
)
def test_a_request_that_is_none(request_object: bytes) -> None:
    host, _, device = connected()
    times: list[int] = []

    def ask(host: FakeHost, buffer: Any) -> int:
        times.append(1)
        host.fill(buffer.spdm_ctrl.spdm_req, request_object.ljust(32, b"\0"))
        return SevStatus.SPDM_REQUEST if len(times) == 1 else SevStatus.SPDM_ERROR

    host.handlers[C.TIO_ROLL_KEY] = ask
    with pytest.raises(RemoteProtocolError, match="SPDM_REQUEST"):
        host.run(device.roll_key())
    assert len(times) == 2
    assert not host.asked


def test_a_command_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytio.clients.psp.bounce._MOST_EXCHANGES", 5)
    host, _, device = connected()
    host.dialogue[C.TIO_ROLL_KEY] = TALK[:1] * 6
    with pytest.raises(RemoteProtocolError, match="5 did not end it"):
        host.run(device.roll_key())
    assert len(host.asked) == 5


def test_one_command_of_a_device_at_a_time() -> None:
    host, _, device = connected()
    host.dialogue[C.TIO_ROLL_KEY] = TALK
    first = device.roll_key()
    while not isinstance(next(first), Issue):
        pass
    assert device.is_busy
    with pytest.raises(LocalProtocolError, match="TIO_ROLL_KEY is under way"):
        host.run(device.read_certificates())
    first.close()
    assert not device.is_busy


@pytest.mark.parametrize(
    "result",
    [
        ResultObject(object_id=DataObjectId.MEASUREMENTS, device_id=0).build(),
        ResultObject(object_id=DataObjectId.NONE, device_id=0).build(),
        bytes.fromhex("04000000 00000000").ljust(32, b"\0"),
        bytes.fromhex("04000000 ffffff7f").ljust(32, b"\0"),
    ],
)
def test_a_result_that_is_none(result: bytes) -> None:
    host, _, device = connected()
    before = device.certificates
    host.handlers[C.TIO_DEV_CERTIFICATES] = leaving(result)
    with pytest.raises((RemoteProtocolError, SevDecodeError)):
        host.run(device.read_certificates())
    assert device.certificates is before


def test_results_are_the_data_alone_however_many_pages() -> None:
    host, _, device = connected()
    long = bytes(range(256)) * 100
    made = ResultObject(object_id=DataObjectId.CERTIFICATES, device_id=0x100, data=long).build()
    host.handlers[C.TIO_DEV_CERTIFICATES] = leaving(made)
    assert host.run(device.read_certificates()).data == long
    assert device.certificates is not None
    assert device.certificates.data == long


# buffer expansion


def expanding(name: str, wanted: int, command: SevCommand = C.TIO_DEV_CERTIFICATES) -> Handler:
    """Return a firmware that wants a larger buffer once, and then is done."""

    def handler(host: FakeHost, buffer: Any) -> int:
        sla = getattr(buffer.spdm_ctrl, name)
        pages = host.data_pages(sla)
        header = BufferHeader.parse(host.peek(pages[0], 64))
        if len(pages) * PAGE_BYTES >= wanted:
            assert header.capacity_sz == len(pages) * PAGE_BYTES
            assert host.peek(pages[0] + 64, 6) == b"parked"
            return result(host, buffer)
        host.poke(pages[0], header.replace(capacity_sz=wanted).build() + b"parked")
        return SevStatus.EXPAND_BUFFER_LENGTH_REQUEST

    def result(host: FakeHost, buffer: Any) -> int:
        object_id, data = EVIDENCE[command]
        host.fill(buffer.spdm_ctrl.spdm_output, ResultObject(object_id=object_id, device_id=0, data=data).build())
        return 0

    return handler


@pytest.mark.parametrize(("name", "wanted"), [("spdm_output", 20000), ("spdm_scratch", 8192)])
def test_a_buffer_grows_with_its_contents_and_the_old_one_comes_back(name: str, wanted: int) -> None:
    host, client, device = connected(small_buffers=True)
    pages = len(host.pages)
    old = getattr(device.bounce.buffers, name)
    host.handlers[C.TIO_DEV_CERTIFICATES] = expanding(name, wanted)
    host.run(device.read_certificates())
    new = getattr(device.bounce.buffers, name)
    first, second = (
        action.buffer for action in host.done if isinstance(action, Issue) and action.command in SPDM_AWARE
    )
    assert first.replace(old.sla.build(), new.sla.build()) == second != first
    assert new.size_bytes == -(-wanted // PAGE_BYTES) * PAGE_BYTES
    assert old.pages[0] not in host.pages
    assert len(host.pages) == pages - 1 + len(new.pages) + 1
    host.run(client.disconnect(device))
    assert host.is_clean()


def test_no_page_is_left_whatever_fails_while_a_buffer_grows() -> None:
    counted, _, device = connected(small_buffers=True)
    counted.handlers[C.TIO_DEV_CERTIFICATES] = expanding("spdm_output", 20000)
    counted.run(device.read_certificates())
    whole = list(counted.done)
    for failing in range(1, len(whole) + 1):
        host, client, device = connected(small_buffers=True)
        host.handlers[C.TIO_DEV_CERTIFICATES] = expanding("spdm_output", 20000)
        host.fails_at = failing
        with pytest.raises(BackendError, match="failed"):
            host.run(device.read_certificates())
        host.fails_at = None
        host.run(client.recover())
        assert host.is_clean(), (failing, whole[failing - 1])


@pytest.mark.parametrize("wanted", [65537, 4096, 0])
def test_an_expansion_that_nobody_promised(wanted: int) -> None:
    host, _, device = connected(small_buffers=True)
    pages = len(host.pages)
    asked: list[int] = []

    def handler(host: FakeHost, buffer: Any) -> int:
        asked.append(1)
        [page] = host.data_pages(buffer.spdm_ctrl.spdm_output)
        host.poke(page, BufferHeader(capacity_sz=wanted).build())
        return SevStatus.EXPAND_BUFFER_LENGTH_REQUEST if len(asked) == 1 else SevStatus.SPDM_ERROR

    host.handlers[C.TIO_DEV_CERTIFICATES] = handler
    with pytest.raises(RemoteProtocolError, match="EXPAND_BUFFER_LENGTH_REQUEST"):
        host.run(device.read_certificates())
    assert len(asked) == 2  # the second one gave up
    assert len(host.pages) == pages


# while it is connected, and the end


def test_status_refresh_and_roll_key() -> None:
    host, _, device = connected()
    host.run(device.refresh(NONCE, raw_bitstream=True))
    assert host.commands() == [C.TIO_DEV_CERTIFICATES, C.TIO_DEV_MEASUREMENTS]
    assert host.issued(C.TIO_DEV_MEASUREMENTS).raw_bitstream
    host.dialogue[C.TIO_ROLL_KEY] = TALK
    host.run(device.roll_key())
    assert host.issued(C.TIO_ROLL_KEY).dev_ctx_sla == device.sla
    with pytest.raises(ValueError, match="32 bytes, not 3"):
        host.run(device.measure(b"abc"))


@pytest.mark.parametrize("revision", [Revision.R1, Revision.P2])
def test_the_status_of_each_revision(revision: Revision) -> None:
    structure = DeviceStatusR1 if revision is Revision.R1 else DeviceStatus
    told = structure(
        ctx_state=DeviceContextState.CONNECTED,
        device_id=DEVICE.requester_id,
        request_pending_interface_id=InterfaceId.of("00:00.0"),
    )
    host, _, device = connected(revision)
    host.handlers[C.TIO_DEV_STATUS] = writes(told)
    pages = len(host.pages)
    assert host.run(device.status()) == told
    assert len(host.pages) == pages
    issued = host.issued(C.TIO_DEV_STATUS)
    assert issued.length == (28 if revision is Revision.R1 else 32)
    assert getattr(issued, "status_length", None) == (152 if revision is Revision.R1 else None)


def test_u_has_no_measurements() -> None:
    host, _, device = connected(Revision.U)
    with pytest.raises(LocalProtocolError, match="no such command"):
        host.run(device.measure())


def test_changed_certificates_are_a_typed_refusal() -> None:
    host, _, device = connected()
    host.refuse[C.TIO_DEV_CERTIFICATES] = SevStatus.DEV_CERT_CHANGED
    with pytest.raises(SevCommandError, match="judge it anew"):
        host.run(device.read_certificates())


def test_a_device_that_does_not_take_part_is_disconnected_by_force() -> None:
    host, client, device = connected()

    def only_by_force(host: FakeHost, buffer: Any) -> int:
        return 0 if buffer.force else SevStatus.SPDM_ERROR

    host.handlers[C.TIO_DEV_DISCONNECT] = only_by_force
    host.run(client.disconnect(device))
    assert host.commands() == [C.TIO_DEV_DISCONNECT, C.TIO_DEV_DISCONNECT, C.TIO_DEV_RECLAIM]
    assert host.is_clean()


def test_a_device_that_cannot_be_disconnected_stays_known() -> None:
    host, client, device = connected()
    host.refuse = {C.TIO_DEV_DISCONNECT: SevStatus.HWERROR_PLATFORM, C.TIO_DEV_RECLAIM: SevStatus.INVALID_DEV_STATE}
    with pytest.raises(SevCommandError) as caught:
        host.run(client.disconnect(device))
    assert caught.value.status == SevStatus.HWERROR_PLATFORM
    assert any("INVALID_DEV_STATE" in note for note in caught.value.__notes__)
    assert client.devices == {DEVICE: device}
    assert len(host.pages) == 1
    host.refuse.clear()
    host.run(client.recover())
    assert host.is_clean()
    assert not client.devices


@pytest.mark.parametrize("kind", [Free, RmpUpdate, WriteConfig, Issue])
def test_whatever_fails_in_a_disconnect_recover_brings_back(kind: type) -> None:
    host, client, device = connected()
    host.fails = kind
    with pytest.raises(BackendError):
        host.run(client.disconnect(device))
    host.fails = None
    host.run(client.recover())
    assert host.is_clean()
    assert not client.devices


def test_a_shutdown_waits_for_devices() -> None:
    host, client, device = connected()
    with pytest.raises(LocalProtocolError, match=str(DEVICE)):
        host.run(client.shutdown())
    host.run(client.disconnect(device))
    host.run(client.shutdown())


def test_ports_are_found_in_configuration_space() -> None:
    host = FakeHost()
    assert host.run(find_ports(DEVICE, ROOT, host.ports.slots)) == host.ports


def test_ports_without_ide_are_named() -> None:
    host = FakeHost()
    host.functions[DEVICE] = MockFunction(0x1022, 0x14A0)
    with pytest.raises(LocalProtocolError, match=f"{DEVICE} has no INTEGRITY_DATA_ENCRYPTION"):
        host.run(find_ports(DEVICE, ROOT, host.ports.slots))


def test_what_is_asked_of_a_device_that_is_not_there() -> None:
    host, client = started()
    device = Device(client.firmware, host.ports)
    for plan in (device.status(), device.measure(), device.read_certificates(), device.roll_key()):
        with pytest.raises(LocalProtocolError, match="connect it first"):
            host.run(plan)
    host.run(device.force_disconnect())  # nothing to do
    host.run(device.connect(ConnectOptions()))
    with pytest.raises(LocalProtocolError, match="is connected"):
        host.run(device.connect(ConnectOptions()))
    host.refuse[C.TIO_DEV_DISCONNECT] = SevStatus.HWERROR_PLATFORM
    with pytest.raises(SevCommandError, match="HWERROR_PLATFORM"):
        host.run(device.force_disconnect())
    with pytest.raises(SevCommandError, match="HWERROR_PLATFORM"):
        host.run(device.disconnect(is_forced=True))


def test_a_root_port_without_pci_express() -> None:
    host = FakeHost()
    host.functions[ROOT].space.poke(0x34, 1, 0)
    with pytest.raises(LocalProtocolError, match=f"{ROOT} has no PCI_EXPRESS"):
        host.run(find_ports(DEVICE, ROOT, host.ports.slots))


def test_before_the_platform_is_initialized() -> None:
    host, client = FakeHost(), PspClient()
    with pytest.raises(LocalProtocolError, match="initialize SEV-TIO first"):
        host.run(client.connect(host.ports))
    assert host.is_clean()


def test_every_step_of_every_manner_is_performed() -> None:
    assert set(Device._CONNECT_STEPS) == set(ConnectStep)
    assert set(Interface._BIND_STEPS) == set(BindStep)
    used = {step for manner in HOST_MANNERS.values() for step in (*manner.connect, *manner.bind)}
    assert used == {*ConnectStep, *BindStep}
    assert set(HOST_MANNERS) == set(Revision)
