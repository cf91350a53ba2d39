"""The real host on a live tree, in all three shapes: connect and disconnect, a TSM that lies, the mailbox, SPDM."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

import pytio
from pytio import spdm
from pytio.backends.bindings import PCI_DOE
from pytio.backends.sysfs import Sysfs, TsmShape
from pytio.clients import tsm as client
from pytio.clients.tsm import GivenEvidence
from pytio.crypto import Certificate
from pytio.doe import Limits, StatusFlags
from pytio.errors import (
    BackendBusyError,
    BackendError,
    BackendLockdownError,
    BackendRefusedError,
    BackendTimeoutError,
    BackendUnavailableError,
    DoePeerError,
    LocalProtocolError,
    VerificationError,
)
from pytio.hosts import Driver, open_host, open_transport
from pytio.hosts.linux import LinuxHost, LinuxTsm, LinuxWitness
from pytio.hosts.model.file_nodes import Text
from pytio.hosts.tsm import drive
from pytio.ids import Bdf
from pytio.spdm.configuration import Trust
from pytio.spdm.events import Authenticated, CertificateRead, Connected, Measured, SessionEstablished
from pytio.spdm.requests import Authenticate, Connect, Measure, ReadCertificate, StartSession
from tests.fakes.platform import DEVICE, FAR_DEVICE, MEASUREMENTS, REPORT, ROOT_PORT, Platform, add_guest_files

every_shape = pytest.mark.parametrize("platform", TsmShape, indirect=True, ids=lambda shape: str(shape.name))


@pytest.fixture
def host(platform: Platform, tmp_path: Path) -> LinuxHost:
    opened = open_host(f"sysfs:{tmp_path}")
    assert isinstance(opened, LinuxHost)
    return opened


@every_shape
class TestEveryShape:
    """What the client promises holds on each kernel's files."""

    def test_connect_and_disconnect(self, platform: Platform, host: LinuxHost) -> None:
        device = host.device(DEVICE)
        assert device.status().problems() == ("the device is not connected",)
        seen = device.connect()
        assert seen.connected_to == "tsm0"
        assert {str(port.port) for port in seen.ports} == {DEVICE, ROOT_PORT}
        assert all(port.is_secure for port in seen.ports)
        assert platform.connected == "tsm0"
        with pytest.raises(LocalProtocolError, match="disconnect it first"):
            device.connect()
        assert device.disconnect().connected_to is None
        assert platform.connected == ""

    @pytest.mark.parametrize("lie", ["port", "device"])
    def test_a_stream_that_is_not_secure(self, platform: Platform, host: LinuxHost, lie: str) -> None:
        platform.lies.add(lie)
        with pytest.raises(VerificationError, match="enable=1 state=0"):
            host.device(DEVICE).connect()
        assert platform.connected == ""  # it was undone

    def test_a_connect_that_fails(self, platform: Platform, host: LinuxHost) -> None:
        platform.fails = errno.EFAULT
        with pytest.raises(BackendRefusedError, match="different mailboxes"):
            host.device(DEVICE).connect()

    def test_a_disconnect_that_fails(self, platform: Platform, host: LinuxHost) -> None:
        with pytest.raises(BackendUnavailableError, match="not connected"):
            host.device(DEVICE).disconnect()

    def test_accept(self, platform: Platform, host: LinuxHost, sysfs: Sysfs) -> None:
        add_guest_files(platform)
        tdi = host.tdi(DEVICE)
        assert not tdi.is_accepted()
        if platform.shape is TsmShape.UPSTREAM:  # no evidence without netlink: judged elsewhere
            tdi.lock()
            tdi.accept()
        else:
            seen: list[GivenEvidence] = []
            plan = client.accept(Bdf.parse(DEVICE), seen.append, lock_first=False)
            drive(plan, LinuxTsm(sysfs), LinuxWitness(sysfs))
            assert seen[0].is_text is (platform.shape is TsmShape.R1)
        assert tdi.is_accepted()
        tdi.stop()
        assert not tdi.is_accepted()

    def test_a_mailbox_that_the_kernel_uses(self, platform: Platform, host: LinuxHost) -> None:
        device = host.device(DEVICE)
        platform.connect_device("tsm0")
        with pytest.raises(BackendBusyError, match="connected through this device's mailbox"):
            device.open_mailbox()
        device.open_mailbox(force=True).close()


@pytest.mark.parametrize(("lie", "reason"), [("link", "no IDE stream"), ("authenticated", "authenticated by nobody")])
def test_other_lies(platform: Platform, host: LinuxHost, lie: str, reason: str) -> None:
    platform.lies.add(lie)
    with pytest.raises(VerificationError, match=reason):
        host.device(DEVICE).connect()
    assert platform.connected == ""


def test_a_tsm_of_another_name(platform: Platform, host: LinuxHost) -> None:
    platform.root.add("class/tsm/tsm1/pci_mode", Text("link", mode=0o444))
    assert host.device(DEVICE).connect("tsm1").connected_to == "tsm1"
    assert host.device(DEVICE).disconnect().connected_to is None


def test_the_first_name_a_newcomer_meets(tmp_path: Path) -> None:
    assert isinstance(pytio.open_host(f"sysfs:{tmp_path}"), LinuxHost)


def test_no_tsm(platform: Platform, host: LinuxHost, sysfs: Sysfs) -> None:
    del platform.root.entries["class"]
    with pytest.raises(BackendUnavailableError, match="no link TSM is registered"):
        LinuxTsm(sysfs).name()
    with pytest.raises(BackendUnavailableError, match="no TSM is registered"):
        host.device(FAR_DEVICE).connect()


def test_only_a_devsec_tsm(platform: Platform, sysfs: Sysfs) -> None:
    platform.root.add("class/tsm/tsm0/pci_mode", Text("devsec", mode=0o444))
    with pytest.raises(BackendUnavailableError, match="no link TSM is registered"):
        LinuxTsm(sysfs).name()


@pytest.mark.parametrize("platform", [TsmShape.R2], indirect=True)
def test_evidence(platform: Platform, host: LinuxHost) -> None:
    evidence = host.device(DEVICE).evidence()
    assert (evidence.measurements, evidence.report, evidence.is_text) == (MEASUREMENTS, REPORT, False)


def test_upstream_has_no_evidence(platform: Platform, host: LinuxHost) -> None:
    with pytest.raises(BackendUnavailableError, match="generic netlink"):
        host.device(DEVICE).evidence()


class TestMailbox:
    """The device's registers, through real system calls."""

    def test_discovery(self, platform: Platform, host: LinuxHost) -> None:
        found = host.device(DEVICE).discover()
        assert {at: [str(feature) for feature in features] for at, features in found.items()} == {
            platform.device.doe: ["0001:00", "0001:01", "0001:02"]
        }
        assert platform.device.function.space.violations == []

    def test_a_device_without_a_mailbox(self, platform: Platform, host: LinuxHost) -> None:
        assert host.device(FAR_DEVICE).discover() == {}
        with pytest.raises(BackendUnavailableError, match=r"no DOE mailbox that serves SPDM \(mailboxes here: none"):
            host.device(FAR_DEVICE).open_mailbox()
        with pytest.raises(BackendUnavailableError, match="no DOE mailbox at 0x200"):
            host.device(DEVICE).open_mailbox(offset=0x200)

    def test_a_full_session(self, platform: Platform, tmp_path: Path) -> None:
        """An SPDM requester identifies and measures the device, and measures it again in a session."""
        endpoint = platform.device.endpoint
        assert endpoint is not None
        roots = tuple(Certificate(slot.certificates[0]) for slot in endpoint.spdm.config.slots.values())
        assert PCI_DOE.record_format is not None
        requester = spdm.Requester(spdm.RequesterConfig(trust=Trust(roots=roots)), record_format=PCI_DOE.record_format)
        learnt: list[type] = []
        with Driver(requester, open_transport(f"doe:{DEVICE}?root={tmp_path}")) as driver:
            for intent in (Connect(), ReadCertificate(), Authenticate(), Measure(slot=0)):
                learnt += map(type, driver.ask(intent))
            learnt += map(type, driver.ask(StartSession()))
            [session] = requester.sessions
            learnt += map(type, driver.ask(Measure(slot=0), session=session))
        assert {Connected, CertificateRead, Authenticated, Measured, SessionEstablished} <= set(learnt)
        assert learnt.count(Measured) == 2
        assert platform.device.function.space.violations == []

    def test_two_users(self, platform: Platform, host: LinuxHost) -> None:
        with (
            host.device(DEVICE).open_mailbox(),
            pytest.raises(BackendBusyError, match="another process has locked"),
        ):
            host.device(DEVICE).open_mailbox()
        host.device(DEVICE).open_mailbox().close()

    def test_a_device_that_fails(self, platform: Platform, host: LinuxHost) -> None:
        with host.device(DEVICE).open_mailbox() as transport:
            assert platform.device.mailbox is not None
            platform.device.mailbox.fail()
            with pytest.raises(DoePeerError, match="DEVICE_ERROR"):
                transport.driver.discover()
            assert len(transport.driver.discover()) == 3  # it was aborted, and works again

    def test_a_device_that_stays_busy(self, platform: Platform, host: LinuxHost) -> None:
        assert platform.device.mailbox is not None
        platform.device.mailbox.is_deferred = True
        limits = Limits(response_s=0.02, busy_s=0.02, poll_s=0.001)
        with pytest.raises(DoePeerError, match="NO_RESPONSE"):
            host.device(DEVICE).open_mailbox(limits=limits)
        assert not platform.device.mailbox.status & StatusFlags.BUSY

    def test_lockdown(self, platform: Platform, host: LinuxHost) -> None:
        platform.config().is_locked_down = True
        node = platform.root.find("kernel/security/lockdown")
        assert isinstance(node, Text)
        node.show = "none [integrity] confidentiality"
        with pytest.raises(BackendLockdownError, match="pytio tsm"):
            host.device(DEVICE).open_mailbox()

    def test_a_cxl_memory_device(self, platform: Platform, host: LinuxHost) -> None:
        platform.functions[DEVICE].add("class", Text("0x050210", mode=0o444))
        host.device(DEVICE).open_mailbox().close()
        platform.add_driver("cxl_pci")
        platform.bind(DEVICE, "cxl_pci")
        with pytest.raises(BackendBusyError, match="cxl_pci may read tables"):
            host.device(DEVICE).open_mailbox()

    def test_read_and_write_take_turns(self, platform: Platform, host: LinuxHost) -> None:
        with host.device(DEVICE).open_mailbox() as transport:
            with pytest.raises(BackendTimeoutError, match="write a request first"):
                transport.read()
            transport.write(bytes.fromhex("01000100 03000000 10840000"))
            with pytest.raises(LocalProtocolError, match="one exchange at a time"):
                transport.write(bytes.fromhex("01000100 03000000 10840000"))
            assert transport.read()[8:10] == b"\x10\x04"

    @pytest.mark.parametrize("uri", ["doe:", "doe:nowhere", f"doe:{DEVICE}?colour=red"])
    def test_bad_uris(self, uri: str) -> None:
        with pytest.raises((ValueError, BackendError)):
            open_transport(uri)


def test_registers_by_name(platform: Platform, host: LinuxHost) -> None:
    device = host.device(DEVICE)
    assert device.config.tee_io
    assert len(device.config.doe) == 1
    assert device.config.ide is not None
    [stream] = device.config.ide.selective
    seen = [(stream.control.enable, stream.status.state)]
    platform.connect_device("tsm0")
    seen.append((stream.control.enable, stream.status.state))  # it is read when asked
    assert seen == [(0, 0), (1, 2)]


def test_a_host_is_no_transport(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailableError, match="use open_host"):
        open_transport(f"sysfs:{tmp_path}")
