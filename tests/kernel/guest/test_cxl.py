"""A mailbox of QEMU's own: discovery, the CDAT exchange, aborts; BARs mapped at exact widths; virtual bridges."""

from __future__ import annotations

import pytest

from pytio.backends.sysfs import MappedBar, Sysfs
from pytio.doe import DataObject, MailboxState, VendorId
from pytio.errors import BackendBusyError, BackendRefusedError, BackendUnavailableError, DoePeerError
from pytio.hosts.linux import LinuxDevice, LinuxHost
from tests.kernel.guest.registers import read, write

MEMORY_CLASS = 0x0502
CDAT = 2
COMMAND = 0x04
MEMORY_SPACE_ENABLE = 1 << 1


@pytest.fixture(scope="module")
def device() -> LinuxDevice:
    host = LinuxHost()
    found = [bdf for bdf in host.devices() if Sysfs().function(bdf).number("class") >> 8 == MEMORY_CLASS]
    assert found, "there is no CXL memory device"
    return host.device(found[0])


def test_discovery(device: LinuxDevice) -> None:
    [(_, features)] = device.discover().items()
    assert [str(feature) for feature in features] == ["0001:00", "1e98:02"]


def test_a_table_through_the_mailbox(device: LinuxDevice) -> None:
    [offset] = device.discover()
    with device.open_mailbox(offset=offset) as transport:
        request = DataObject.wrap(CDAT, bytes(4), vendor_id=VendorId.CXL)
        answer = transport.driver.exchange(request)
        assert answer.vendor_id == VendorId.CXL
        assert answer.data_object_type == CDAT
        length = int.from_bytes(answer.payload[4:8], "little")
        assert 0 < length < 1 << 20  # the table's header says how long it is
        assert transport.driver.mailbox.state is MailboxState.IDLE


def test_a_type_that_is_not_offered(device: LinuxDevice) -> None:
    [offset] = device.discover()
    with device.open_mailbox(offset=offset) as transport:
        with pytest.raises(DoePeerError, match=r"NO_RESPONSE|DEVICE_ERROR"):
            transport.driver.exchange(DataObject.wrap(0x77, bytes(4), vendor_id=VendorId.CXL))
        assert len(transport.driver.discover()) == 2  # it was aborted, and works again


def test_no_spdm_here(device: LinuxDevice) -> None:
    with pytest.raises(BackendUnavailableError, match="no DOE mailbox that serves SPDM"):
        device.open_mailbox()


def test_two_users(device: LinuxDevice) -> None:
    [offset] = device.discover()
    with device.open_mailbox(offset=offset), pytest.raises(BackendBusyError, match="another process has locked"):
        device.open_mailbox(offset=offset)


def test_bars(device: LinuxDevice) -> None:
    function = device.function
    with function.open_config(writable=True) as config:
        command = read(config, COMMAND, 2)
        write(config, COMMAND, command & ~MEMORY_SPACE_ENABLE, 2)
        with pytest.raises(BackendRefusedError, match="does not decode"):
            function.open_bar(0)
        write(config, COMMAND, command | MEMORY_SPACE_ENABLE, 2)
    bars = [resource for resource in function.resources() if resource.is_bar]
    assert bars
    opened = function.open_bar(bars[0].index)
    assert isinstance(opened, MappedBar)
    with opened as bar:
        assert bar.size_bytes == bars[0].size_bytes
        whole = bar.read(0, 4)
        assert bar.read(0, 4) == whole
