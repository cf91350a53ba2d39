"""The emulated hierarchy: IDE and TEE-IO, discovery, SPDM through the mailbox, and a mailbox that fails."""

from __future__ import annotations

import os
import time

import pytest

from pytio import spdm
from pytio.backends.bindings import PCI_DOE
from pytio.backends.sysfs import Sysfs
from pytio.clients.doctor import diagnose
from pytio.crypto import Certificate
from pytio.doe import DataObject, DataObjectType, Limits, MailboxRegister
from pytio.errors import BackendBusyError, BackendUnavailableError, DoePeerError
from pytio.hosts import Driver, open_host
from pytio.hosts.doctor import facts_of_sysfs
from pytio.hosts.linux import LinuxDevice, enabled_streams
from pytio.ids import Bdf
from pytio.mock.example import example_endpoint
from pytio.pci import CapabilityId, ExtendedCapabilityId, decode
from pytio.pci.capabilities.ide import IntegrityDataEncryption
from pytio.pci.capabilities.pci_express import PciExpressDevice
from pytio.spdm.configuration import Trust
from pytio.spdm.events import Authenticated, CertificateRead, Connected, Measured, SessionEstablished
from pytio.spdm.requests import Authenticate, Connect, LeaveSession, Measure, ReadCertificate, StartSession
from tests.kernel.guest.privileges import as_nobody
from tests.kernel.guest.registers import read, write
from tests.kernel.guest.responder import answering, serving

DEVICE = "10000:01:00.0"
PORT = "10000:00:00.0"
DOE = 0x100
SECOND_DOE = 0x120
IDE = 0x200
CONTROL = IDE + 0x0C + 0x04
SECURE = 2
GET_VERSION = DataObject.wrap(DataObjectType.CMA_SPDM, bytes.fromhex("10840000"))


@pytest.fixture
def device() -> LinuxDevice:
    found: LinuxDevice = open_host("sysfs:").device(DEVICE)
    return found


def echo(request: bytes) -> bytes:
    return request


def test_both_ports_decode() -> None:
    for address, is_device in ((PORT, False), (DEVICE, True)):
        with Sysfs().function(address).open_config() as config:
            function = decode(config.dump())
        assert function.problems == ()
        ide = function.find(ExtendedCapabilityId.INTEGRITY_DATA_ENCRYPTION)
        assert isinstance(ide, IntegrityDataEncryption)
        assert len(ide.selective) == 2
        express = function.find(CapabilityId.PCI_EXPRESS)
        assert isinstance(express, PciExpressDevice)
        assert express.device_capabilities.tee_io_supported is is_device


def test_topology(device: LinuxDevice) -> None:
    assert str(device.function.root_port) == PORT
    assert device.function.host_bridge.name == "pci10000:00"
    assert device.function.driver is None
    assert device.function.doe_features is None  # this kernel is too old to say


def test_discovery_of_two_mailboxes(device: LinuxDevice) -> None:
    found = device.discover()
    assert {at: [str(one) for one in features] for at, features in found.items()} == {
        DOE: ["0001:00", "0001:01", "0001:02"],
        SECOND_DOE: ["0001:00"],
    }


def test_streams_on_both_ports(device: LinuxDevice) -> None:
    """Both ports become secure when enabled, and insecure when not, and the registers are read where they are."""
    for address in (PORT, DEVICE):
        function = Sysfs().function(address)
        with function.open_config(writable=True) as config:
            assert list(enabled_streams(function.bdf, config)) == []
            write(config, CONTROL, 0x0500_0001, 4)
            [seen] = enabled_streams(function.bdf, config)
            assert (seen.block, seen.stream_id, seen.state) == (0, 5, SECURE)
            write(config, CONTROL, 0, 4)
            assert list(enabled_streams(function.bdf, config)) == []


def test_spdm_through_the_mailbox(device: LinuxDevice) -> None:
    """A requester identifies the responder, has it sign measurements, and does it again inside a session."""
    endpoint = example_endpoint()
    roots = tuple(Certificate(slot.certificates[0]) for slot in endpoint.spdm.config.slots.values())
    assert PCI_DOE.record_format is not None
    requester = spdm.Requester(spdm.RequesterConfig(trust=Trust(roots=roots)), record_format=PCI_DOE.record_format)
    learnt: list[type] = []
    with serving(answering(endpoint)) as requests, device.open_mailbox() as transport:
        driver = Driver(requester, transport)
        for intent in (Connect(), ReadCertificate(), Authenticate(), Measure(slot=0), StartSession()):
            learnt += map(type, driver.ask(intent))
        [session] = requester.sessions
        learnt += map(type, driver.ask(Measure(slot=0), session=session))
        learnt += map(type, driver.ask(LeaveSession(), session=session))
    assert {Connected, CertificateRead, Authenticated, Measured, SessionEstablished} <= set(learnt)
    assert learnt.count(Measured) == 2
    assert any(DataObject.parse(one).data_object_type == DataObjectType.SECURED_CMA_SPDM for one in requests)


def test_error(device: LinuxDevice) -> None:
    with serving(lambda request: b"ERR"), device.open_mailbox(offset=DOE) as transport:
        with pytest.raises(DoePeerError, match="DEVICE_ERROR"):
            transport.driver.exchange(GET_VERSION)
        assert len(transport.driver.discover()) == 3  # it was aborted, and works again


def test_no_response(device: LinuxDevice) -> None:
    with serving(lambda request: None), device.open_mailbox(offset=DOE) as transport:
        start = time.monotonic()
        with pytest.raises(DoePeerError, match="NO_RESPONSE"):
            transport.driver.exchange(GET_VERSION)
        assert 0.9 < time.monotonic() - start < 10
        assert len(transport.driver.discover()) == 3


def test_a_late_response_is_dropped(device: LinuxDevice) -> None:
    """The device refuses what answers an exchange that was aborted."""
    with device.open_mailbox(offset=DOE, limits=Limits(response_s=0.2)) as transport:
        with pytest.raises(DoePeerError, match="NO_RESPONSE"):
            transport.driver.exchange(GET_VERSION)
        assert len(transport.driver.discover()) == 3
        responder = os.open("/dev/teeio-doe", os.O_RDWR | os.O_NONBLOCK)
        with pytest.raises(OSError, match="Stale"):
            os.write(responder, GET_VERSION.build())
        os.close(responder)


def test_busy(device: LinuxDevice) -> None:
    """Another user is in the middle of an exchange, and goes on being so."""
    with device.open_mailbox(offset=DOE, limits=Limits(busy_s=0.2)) as transport:
        transport.driver.discover()
        with device.function.open_config(writable=True) as other:
            for dw in (0x0001_0001, 3, 0x8410):
                write(other, DOE + MailboxRegister.WRITE_MAILBOX, dw, 4)
            write(other, DOE + MailboxRegister.CONTROL, 1 << 31, 4)
            assert read(other, DOE + MailboxRegister.STATUS, 4) & 1
        with pytest.raises(DoePeerError, match=r"BUSY.*another user"):
            transport.driver.exchange(GET_VERSION)
        assert len(transport.driver.discover()) == 3  # it was aborted


def test_what_another_program_left_behind_is_aborted(device: LinuxDevice) -> None:
    with device.function.open_config(writable=True) as other:
        write(other, DOE + MailboxRegister.WRITE_MAILBOX, 0xBAD, 4)
    with serving(echo), device.open_mailbox(offset=DOE) as transport:
        assert transport.driver.exchange(GET_VERSION) == GET_VERSION


@pytest.mark.parametrize("size", [0, 1, 4, 1000, 4000])
def test_objects_of_any_size(device: LinuxDevice, size: int) -> None:
    with serving(echo), device.open_mailbox(offset=DOE) as transport:
        wrapped = DataObject.wrap(DataObjectType.CMA_SPDM, os.urandom(size))
        assert transport.driver.exchange(wrapped) == wrapped


def test_two_users(device: LinuxDevice) -> None:
    with device.open_mailbox(offset=DOE), pytest.raises(BackendBusyError, match="another process has locked"):
        device.open_mailbox(offset=DOE)


def test_a_reset_is_a_real_one(device: LinuxDevice) -> None:
    with device.function.open_config(writable=True) as config:
        write(config, CONTROL, 0x0500_0001, 4)
        device.function.reset()
        assert list(enabled_streams(device.bdf, config)) == []


def test_without_privilege_no_capability_is_visible(device: LinuxDevice) -> None:
    said = as_nobody(lambda: device.open_mailbox(offset=DOE).close())
    assert said.startswith("BackendPermissionError")

    def discover() -> None:
        device.discover()

    said = as_nobody(discover)
    assert "only 64 bytes" in said


def test_no_tsm_in_this_kernel(device: LinuxDevice) -> None:
    with pytest.raises(BackendUnavailableError, match="no TSM is registered"):
        device.connect()


def test_the_doctor_sees_what_is_missing() -> None:
    """The device has all it needs; the kernel is too old to have a TSM."""
    wanted = Bdf.parse(DEVICE)
    findings = diagnose(facts_of_sysfs(Sysfs(), (wanted,)))
    assert [finding.cause.name for finding in findings] == ["kernel"]
