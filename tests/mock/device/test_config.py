"""Configurations: from JSON, with defaults, and what is refused."""

from __future__ import annotations

import json
import re

import pytest

from pytio.mock import BarKind
from pytio.mock.device import BarConfig, CapabilityConfig, Device, DeviceConfig, Quirk, default_device_config
from pytio.tdisp import LockFlags, MmioAttributes

WHOLE = {
    "vendor_id": 0x1022,
    "bars": [{"index": 1, "size_bytes": 8192, "kind": "memory_32", "attributes": ["is_non_tee_mem"]}],
    "msi_x": {"vectors": 2, "bar": 1},
    "virtual_functions": {"total": 2, "stride": 2, "bars": [{"index": 0, "size_bytes": 4096}]},
    "capabilities": [{"capability_id": 0x1B, "body": "0000 0000", "writable": "0000 0500"}],
    "ide": {"selective_ide_streams_supported": True, "selective_streams_minus_1": 1},
    "ide_port_indexes": [0, 1],
    "tdisp": {"dev_addr_width": 48, "lock_flags": ["lock_msix"]},
    "device_specific_info": "0102",
    "quirks": ["bus_master_written_as_zero"],
}


def test_json_says_the_same_as_python() -> None:
    config = DeviceConfig.from_json(json.dumps(WHOLE), device_id=7)
    [bar] = config.bars
    assert bar == BarConfig(index=1, size_bytes=8192, kind=BarKind.MEMORY_32, attributes=MmioAttributes.IS_NON_TEE_MEM)
    assert (config.vendor_id, config.device_id) == (0x1022, 7)
    assert config.msi_x is not None
    assert config.msi_x.vectors == 2
    assert config.virtual_functions is not None
    assert config.virtual_functions.stride == 2
    assert config.virtual_functions.bars == (BarConfig(index=0, size_bytes=4096),)
    assert config.capabilities == (CapabilityConfig(capability_id=0x1B, body=bytes(4), writable=b"\0\0\5\0"),)
    assert config.ide is not None
    assert config.ide.selective_stream_count == 2
    assert config.ide_port_indexes == (0, 1)
    assert config.tdisp.lock_flags is LockFlags.LOCK_MSIX
    assert config.device_specific_info == b"\1\2"
    assert config.quirks == {Quirk.BUS_MASTER_WRITTEN_AS_ZERO}
    assert DeviceConfig.from_json("{}") == DeviceConfig()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ("[]", "DeviceConfig: [] is no field of DeviceConfig"),
        ('{"bar": 1}', "DeviceConfig: 'bar' is no field of DeviceConfig"),
        ('{"bars": [{"index": 0}]}', "DeviceConfig.bars[0]"),
        ('{"bars": [{"index": 0, "size_bytes": 100}]}', "BAR 0 has 100 bytes"),
        ('{"bars": {}}', "DeviceConfig.bars: {} is no list"),
        ('{"quirks": ["none"]}', "DeviceConfig.quirks[0]: 'none' is no member of Quirk"),
        ('{"ide": {"pcrc_supported": "yes"}}', "DeviceConfig.ide.pcrc_supported: 'yes' is no number"),
        ('{"vendor_id": true}', "DeviceConfig.vendor_id: True is no int"),
        ('{"tee_io": 1}', "DeviceConfig.tee_io: 1 is no bool"),
        ('{"device_specific_info": "xy"}', "DeviceConfig.device_specific_info: 'xy' is no hex text"),
    ],
)
def test_what_is_no_configuration_says_where(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        DeviceConfig.from_json(text)


def test_contents_have_to_be_known() -> None:
    config = default_device_config(bars=(BarConfig(index=0, size_bytes=4096, content="clouds"),), msi_x=None)
    with pytest.raises(KeyError):
        Device(config)
    with pytest.raises(ValueError, match="not the one that MSI-X names"):
        Device(DeviceConfig(bars=(BarConfig(index=0, size_bytes=4096, content="msi-x"),)))
