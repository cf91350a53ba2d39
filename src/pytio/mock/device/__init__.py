"""A device to plug below a mock root port, configured from data.

One physical function with BARs, MSI-X, a DOE mailbox and an IDE port, virtual functions that come and go with SR-IOV,
an SPDM responder with IDE_KM and TDISP, and a DMA engine: each does in each state what TDISP allows, and no more.
"""

from pytio.mock.device.config import (
    MSI_X,
    RAM,
    REGISTERS,
    BarConfig,
    CapabilityConfig,
    DeviceConfig,
    MsiXConfig,
    Quirk,
    VirtualFunctions,
    default_device_config,
)
from pytio.mock.device.device import EXAMPLE_DEVICE, Device, RegionFactory
from pytio.mock.device.dma import DmaControl, DmaRegister, DmaStatus
from pytio.mock.device.dsm import Dsm
from pytio.mock.device.functions import DeviceFunction
from pytio.mock.device.regions import Ram, Region, Register, RegisterFile
from pytio.mock.device.requester import FunctionRequester
from pytio.mock.device.rules import ACCEPTED, OUTGOING, Origin, Outgoing, Target

__all__ = (
    "ACCEPTED",
    "EXAMPLE_DEVICE",
    "MSI_X",
    "OUTGOING",
    "RAM",
    "REGISTERS",
    "BarConfig",
    "CapabilityConfig",
    "Device",
    "DeviceConfig",
    "DeviceFunction",
    "DmaControl",
    "DmaRegister",
    "DmaStatus",
    "Dsm",
    "FunctionRequester",
    "MsiXConfig",
    "Origin",
    "Outgoing",
    "Quirk",
    "Ram",
    "Region",
    "RegionFactory",
    "Register",
    "RegisterFile",
    "Target",
    "VirtualFunctions",
    "default_device_config",
)
