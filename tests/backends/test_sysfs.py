"""sysfs on a live tree: functions and their relations, drivers, virtual functions, resets, lockdown."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytio.backends.sysfs import Lockdown, StreamLink, Sysfs, available_secure_streams, stream_links
from pytio.backends.sysfs.attribute import read_bytes
from pytio.errors import (
    BackendBusyError,
    BackendError,
    BackendGoneError,
    BackendPermissionError,
    BackendRefusedError,
    BackendUnavailableError,
)
from pytio.hosts.model.file_nodes import Directory, Link, Text
from pytio.ids import Bdf
from tests.fakes.platform import DEVICE, FAR_DEVICE, ROOT_PORT, VIRTUAL, Platform


def test_functions_are_found_in_order_whatever_their_domain(platform: Platform, sysfs: Sysfs) -> None:
    assert [str(bdf) for bdf in sysfs.functions()] == [ROOT_PORT, DEVICE, FAR_DEVICE]
    assert sysfs.function(FAR_DEVICE).number("vendor") == 0x1234


def test_relations(platform: Platform, sysfs: Sysfs) -> None:
    device = sysfs.function(DEVICE)
    assert str(device.parent) == ROOT_PORT
    assert str(device.root_port) == ROOT_PORT
    assert sysfs.function(ROOT_PORT).parent is None
    assert sysfs.function(ROOT_PORT).root_port is None
    assert device.host_bridge.name == "pci0000:e0"
    assert sysfs.function(FAR_DEVICE).root_port == Bdf(segment=0x10000, bus=0, device=0)
    assert device.physical_function is None
    assert device.driver is None
    assert device.iommu_group is None


def test_an_absent_function_says_so(platform: Platform, sysfs: Sysfs) -> None:
    with pytest.raises(BackendUnavailableError, match=r"no such function.*lspci -D"):
        sysfs.function("0000:99:00.0")


def test_there_may_be_no_pci_at_all(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailableError):
        Sysfs(tmp_path).functions()
    assert Sysfs(tmp_path).tsms() == ()
    assert Sysfs(tmp_path).lockdown() is Lockdown.UNKNOWN


def test_numbers_are_numbers(platform: Platform, sysfs: Sysfs) -> None:
    platform.text(DEVICE, "vendor").show = "none of them"
    with pytest.raises(BackendError, match="'none of them' is no number"):
        sysfs.function(DEVICE).number("vendor")


def test_a_write_only_attribute_is_not_read_even_by_root(platform: Platform, sysfs: Sysfs) -> None:
    with pytest.raises(BackendPermissionError, match="does not support this direction"):
        sysfs.function(DEVICE).text("reset")


def test_long_attributes_are_read_whole(platform: Platform, sysfs: Sysfs) -> None:
    platform.text(DEVICE, "vendor").show = "x" * 10000
    assert len(read_bytes(sysfs.function(DEVICE).directory / "vendor")) == 10001


class TestDrivers:
    def test_bind_goes_through_override_unbind_and_probe(self, platform: Platform, sysfs: Sysfs) -> None:
        platform.add_driver("nvme")
        platform.add_driver("vfio-pci")
        platform.bind(DEVICE, "nvme")
        device = sysfs.function(DEVICE)
        assert device.driver == "nvme"
        device.bind("vfio-pci")
        assert sysfs.function(DEVICE).driver == "vfio-pci"
        assert platform.text(DEVICE, "driver_override").writes == [b"vfio-pci"]
        unbind = platform.root.find("bus/pci/drivers/nvme/unbind")
        assert isinstance(unbind, Text)
        assert unbind.writes == [DEVICE.encode()]
        device.bind("vfio-pci")  # nothing to do
        device.unbind()
        assert sysfs.function(DEVICE).driver is None
        device.unbind()
        device.clear_override()
        assert device.text("driver_override") == "(null)"

    def test_a_module_that_is_not_loaded(self, platform: Platform, sysfs: Sysfs) -> None:
        with pytest.raises(BackendUnavailableError, match="modprobe vfio-pci"):
            sysfs.function(DEVICE).bind()

    def test_a_driver_that_refuses(self, platform: Platform, sysfs: Sysfs) -> None:
        platform.add_driver("vfio-pci")
        probe = platform.root.find("bus/pci/drivers_probe")
        assert isinstance(probe, Text)
        probe.store = lambda value: None
        with pytest.raises(BackendError, match=r"vfio-pci did not take the function.*kernel log"):
            sysfs.function(DEVICE).bind()
        probe.store = lambda value: platform.bind(DEVICE, "other")
        platform.add_driver("other")
        with pytest.raises(BackendBusyError, match="other is bound instead"):
            sysfs.function(DEVICE).bind()

    def test_another_owner(self, platform: Platform, sysfs: Sysfs) -> None:
        platform.add_driver("nvme")
        platform.bind(DEVICE, "nvme")
        unbind = platform.root.find("bus/pci/drivers/nvme/unbind")
        assert isinstance(unbind, Text)
        del platform.functions[DEVICE].entries["driver"]
        platform.functions[DEVICE].add("driver", Link("../../../../bus/pci/drivers/nvme"))
        unbind.store = _no_device
        with pytest.raises(BackendGoneError, match="does not own the function"):
            sysfs.function(DEVICE).unbind()

    def test_vfio_device(self, platform: Platform, sysfs: Sysfs) -> None:
        assert sysfs.function(DEVICE).vfio_device is None
        platform.functions[DEVICE].add("vfio-dev/vfio3", Directory())
        platform.functions[DEVICE].add("iommu_group", Link("../../../../kernel/iommu_groups/17"))
        assert sysfs.function(DEVICE).vfio_device == Path("/dev/vfio/devices/vfio3")
        assert sysfs.function(DEVICE).iommu_group == 17


def _no_device(value: str) -> None:
    raise OSError(19, "")


class TestVirtualFunctions:
    def test_enable_and_disable(self, platform: Platform, sysfs: Sysfs) -> None:
        device = sysfs.function(DEVICE)
        device.set_virtual_functions(1)
        assert platform.text(DEVICE, "sriov_drivers_autoprobe").writes == [b"0"]
        assert [str(bdf) for bdf in device.virtual_functions] == [VIRTUAL]
        assert str(sysfs.function(VIRTUAL).physical_function) == DEVICE
        device.set_virtual_functions(1)  # nothing to do, and nothing written
        assert platform.text(DEVICE, "sriov_numvfs").writes == [b"1"]
        device.set_virtual_functions(0)
        assert device.virtual_functions == ()

    def test_too_many(self, platform: Platform, sysfs: Sysfs) -> None:
        with pytest.raises(BackendRefusedError, match="sriov_totalvfs has the limit"):
            sysfs.function(DEVICE).set_virtual_functions(2)

    def test_another_count_goes_through_zero(self, platform: Platform, sysfs: Sysfs) -> None:
        sysfs.function(DEVICE).set_virtual_functions(1)
        with pytest.raises(BackendRefusedError):
            sysfs.function(DEVICE).set_virtual_functions(2)
        assert platform.text(DEVICE, "sriov_numvfs").writes == [b"1", b"0", b"2"]

    def test_no_sriov(self, platform: Platform, sysfs: Sysfs) -> None:
        with pytest.raises(BackendUnavailableError, match="the function has no SR-IOV"):
            sysfs.function(ROOT_PORT).set_virtual_functions(1)


class TestControl:
    def test_reset(self, platform: Platform, sysfs: Sysfs) -> None:
        sysfs.function(DEVICE).reset()
        assert platform.text(DEVICE, "reset").writes == [b"1"]

    def test_no_reset_method(self, platform: Platform, sysfs: Sysfs) -> None:
        del platform.functions[DEVICE].entries["reset"]
        with pytest.raises(BackendUnavailableError, match="no reset method"):
            sysfs.function(DEVICE).reset()

    def test_a_virtual_function_cannot_be_removed(self, platform: Platform, sysfs: Sysfs) -> None:
        with pytest.raises(BackendUnavailableError, match="cannot be removed"):
            sysfs.function(DEVICE).remove()

    def test_enable(self, platform: Platform, sysfs: Sysfs) -> None:
        sysfs.function(DEVICE).enable()
        sysfs.function(DEVICE).disable()
        assert platform.text(DEVICE, "enable").writes == [b"1", b"0"]


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("[none] integrity confidentiality", Lockdown.NONE),
        ("none [integrity] confidentiality", Lockdown.INTEGRITY),
        ("none integrity [confidentiality]", Lockdown.CONFIDENTIALITY),
        ("[something new]", Lockdown.UNKNOWN),
        ("", Lockdown.UNKNOWN),
    ],
)
def test_lockdown(platform: Platform, sysfs: Sysfs, text: str, level: Lockdown) -> None:
    node = platform.root.find("kernel/security/lockdown")
    assert isinstance(node, Text)
    node.show = text
    assert sysfs.lockdown() is level


def test_tsms(platform: Platform, sysfs: Sysfs) -> None:
    platform.root.add("class/tsm/tsm10/pci_mode", Text("devsec", mode=0o444))
    platform.root.add("class/tsm/tsm2/pci_mode", Text("link", mode=0o444))
    assert [(tsm.name, tsm.pci_mode) for tsm in sysfs.tsms()] == [("tsm0", None), ("tsm2", "link"), ("tsm10", "devsec")]


def test_streams(platform: Platform, sysfs: Sysfs) -> None:
    bridge = sysfs.function(DEVICE).host_bridge
    assert available_secure_streams(bridge) == 4
    assert stream_links(bridge) == ()
    platform.connect_device("tsm0")
    assert stream_links(bridge) == (StreamLink(0, 0, 0, Bdf.parse(DEVICE)),)
    assert available_secure_streams(bridge) == 3
    assert available_secure_streams(sysfs.function(FAR_DEVICE).host_bridge) is None


def test_doe_features(platform: Platform, sysfs: Sysfs) -> None:
    assert sysfs.function(DEVICE).doe_features == ("0001:00", "0001:01", "0001:02")
    assert sysfs.function(FAR_DEVICE).doe_features is None
