"""sysfs: PCI functions and the TSM, as the kernel shows them. The root is a parameter, so a copy or a model serves too.

Facts: Documentation/ABI/testing of the kernel (sysfs-bus-pci, sysfs-class-tsm, sysfs-devices-pci-host-bridge), and the
two RFCs of SEV-TIO. A `Sysfs` has functions; a `SysfsFunction` has a configuration space, BARs, a driver and virtual
functions; `tsm_files` gives what the TSM can do with it.
"""

from pytio.backends.sysfs.bar import MappedBar, PortBar, Resource, ResourceFlags
from pytio.backends.sysfs.config_space import SysfsConfigSpace
from pytio.backends.sysfs.function import SysfsFunction
from pytio.backends.sysfs.lockdown import Lockdown
from pytio.backends.sysfs.tree import StreamLink, Sysfs, TsmClassDevice, available_secure_streams, stream_links
from pytio.backends.sysfs.tsm import EvidenceFiles, InterfaceFiles, TsmFiles, TsmShape
from pytio.backends.sysfs.tsm_shapes import interface_files, tsm_files

__all__ = (
    "EvidenceFiles",
    "InterfaceFiles",
    "Lockdown",
    "MappedBar",
    "PortBar",
    "Resource",
    "ResourceFlags",
    "StreamLink",
    "Sysfs",
    "SysfsConfigSpace",
    "SysfsFunction",
    "TsmClassDevice",
    "TsmFiles",
    "TsmShape",
    "available_secure_streams",
    "interface_files",
    "stream_links",
    "tsm_files",
)
