"""What a device is: functions, base address registers, capabilities and security protocols, all of it data.

Documents: PCIe Base 6.x chapters 7 and 9 (registers), 11 (TDISP). A configuration may be written in Python, or come
from JSON with the same names (`DeviceConfig.from_json`): codes and flags by name, bytes in hex. What none of it can say
is code: the contents of a BAR of your own are a factory that `Device` is given under a name.
"""

from __future__ import annotations

import json
from enum import Enum
from typing import Any, Final, Self

import attrs

from pytio.ide_registers import IdeCapability
from pytio.mock.device.plain import from_plain
from pytio.mock.function import Bar, BarKind
from pytio.spdm import ResponderConfig
from pytio.tdisp import DsmCapabilities, InterfaceInfo, MmioAttributes
from pytio.tdisp.codes import PAGE_BYTES

__all__ = (
    "MSI_X",
    "RAM",
    "REGISTERS",
    "BarConfig",
    "CapabilityConfig",
    "DeviceConfig",
    "MsiXConfig",
    "Quirk",
    "VirtualFunctions",
    "default_device_config",
)

REGISTERS: Final = "registers"
"""Contents of a BAR: identification and the DMA engine."""
RAM: Final = "ram"
"""Contents of a BAR: memory."""
MSI_X: Final = "msi-x"
"""Contents of a BAR: the MSI-X table and the pending bits."""
_SYSTEM_PAGE_SIZES: Final = 0x553
"""4, 8, 64 and 256 KiB, 1 and 4 MiB: what every device has to support."""


class Quirk(Enum):
    """Where a device does something else than the specification's words."""

    BUS_MASTER_WRITTEN_AS_ZERO = "a write of Command without Bus Master Enable counts as clearing it, set or not"
    """What the device of the RFC for SEV-TIO does: the write that sets Memory Space Enable first breaks its lock."""


@attrs.frozen(kw_only=True)
class BarConfig:
    """A base address register, and what is behind it."""

    index: int
    """0 to 5; a 64-bit BAR takes the next slot, too."""
    size_bytes: int
    """A power of two, and whole pages: a report counts in pages."""
    kind: BarKind = BarKind.MEMORY_64
    content: str = RAM
    """`REGISTERS`, `RAM`, `MSI_X`, or a name that `Device` is given a factory for."""
    attributes: MmioAttributes = MmioAttributes(0)
    """IS_NON_TEE_MEM for memory that everybody may reach."""

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot be reported."""
        if self.size_bytes % PAGE_BYTES or not self.size_bytes:
            raise ValueError(f"BAR {self.index} has {self.size_bytes} bytes: pages have {PAGE_BYTES}")

    @property
    def register(self) -> Bar:
        """The register, as a function has it."""
        return Bar(self.index, self.size_bytes, self.kind)


@attrs.frozen(kw_only=True)
class MsiXConfig:
    """MSI-X: where table and pending bits are. Each has its pages to itself, so that they can be locked."""

    vectors: int = attrs.field(default=4, validator=[attrs.validators.ge(1), attrs.validators.le(2048)])
    bar: int = 2
    table_offset: int = 0
    pba_offset: int = PAGE_BYTES

    @property
    def places(self) -> tuple[tuple[int, int, MmioAttributes], ...]:
        """Offset and size in pages of the table and of the pending bits, with the attribute that tells of each."""
        bits = -(-self.vectors // 64) * 8
        return (
            (self.table_offset, _whole_pages(16 * self.vectors), MmioAttributes.MSI_X_TABLE),
            (self.pba_offset, _whole_pages(bits), MmioAttributes.MSI_X_PBA),
        )


@attrs.frozen(kw_only=True)
class VirtualFunctions:
    """SR-IOV: which virtual functions there are, and what each of them has."""

    total: int = attrs.field(default=4, validator=attrs.validators.ge(1))
    first_offset: int = 0x20
    """From the requester id of the physical function to that of the first: 20h is device 4, function 0."""
    stride: int = 1
    device_id: int = 0x7D16
    bars: tuple[BarConfig, ...] = ()
    msi_x: MsiXConfig | None = None
    supported_page_sizes: int = _SYSTEM_PAGE_SIZES
    """Bit n stands for 4096 bytes, shifted left by n."""


@attrs.frozen(kw_only=True)
class CapabilityConfig:
    """A capability that does nothing but be there, and break locks where the specification says that it does."""

    capability_id: int
    body: bytes
    """Behind the header, which has 2 bytes, 4 for an extended capability."""
    writable: bytes = b""
    """Which bits of the body software writes; as many bytes, or fewer."""
    is_extended: bool = True
    version: int = 1


@attrs.frozen(kw_only=True)
class DeviceConfig:
    """A device.

    The defaults make a small, complete one without virtual functions; `default_device_config` adds those.
    """

    vendor_id: int = 0xD1CE
    device_id: int = 0x7D15
    class_code: int = 0x120000
    """Base class, sub-class and programming interface: a processing accelerator."""
    bars: tuple[BarConfig, ...] = (
        BarConfig(index=0, size_bytes=4 * PAGE_BYTES, content=REGISTERS),
        BarConfig(index=2, size_bytes=2 * PAGE_BYTES, content=MSI_X),
        BarConfig(index=4, size_bytes=16 * PAGE_BYTES, kind=BarKind.PREFETCHABLE_64, content=RAM),
    )
    rom_bytes: int = 0
    """Size of the expansion ROM; 0 for none."""
    msi_x: MsiXConfig | None = MsiXConfig()
    virtual_functions: VirtualFunctions | None = None
    capabilities: tuple[CapabilityConfig, ...] = ()
    """More capabilities of the physical function."""
    no_soft_reset: bool = True
    """Whether the function keeps its state from D3hot to D0."""
    mailbox: bool = True
    """Whether there is a DOE mailbox."""
    tee_io: bool = True
    """Device Capabilities: TEE-IO Supported. Without it there is no TDISP."""
    ide: IdeCapability | None = IdeCapability(
        selective_ide_streams_supported=True,
        ide_km_protocol_supported=True,
        selective_ide_for_configuration_requests_supported=True,
        tee_limited_stream_supported=True,
    )
    """What the port can do, aggregation and PCRC among it; None for a device without IDE."""
    address_associations: int = 1
    """How many address association blocks each stream has."""
    ide_port_indexes: tuple[int, ...] = (0,)
    """Under which numbers IDE_KM knows the port; hosts in the wild ask for 1."""
    tdisp: DsmCapabilities = DsmCapabilities()
    interface_info: InterfaceInfo = InterfaceInfo.DMA_WITHOUT_PASID
    device_specific_info: bytes = b""
    """What a report ends with."""
    is_failed_dma_fatal: bool = True
    """Whether a request of a running interface that fails sends it to ERROR; one that recovers goes on."""
    quirks: frozenset[Quirk] = frozenset()
    spdm: ResponderConfig | None = None
    """The SPDM responder; None for the example's, with fresh keys and certificates."""

    @classmethod
    def from_json(cls, text: str, **changes: Any) -> Self:
        """Read a configuration, with ``changes`` to its fields; what it does not name has its default.

        Raises:
            ValueError: the text is no JSON, there is no such field, or a value is none that there can be.
        """
        return attrs.evolve(from_plain(cls, json.loads(text)), **changes)


def default_device_config(**changes: Any) -> DeviceConfig:
    """Return a device with four virtual functions, each with registers, MSI-X and memory; ``changes`` are its fields.

    With the physical function at e1:00.0, the first virtual one is e1:04.0.
    """
    virtual = VirtualFunctions(bars=DeviceConfig().bars, msi_x=MsiXConfig())
    return DeviceConfig(**{"virtual_functions": virtual} | changes)


def _whole_pages(size: int) -> int:
    return -(-size // PAGE_BYTES) * PAGE_BYTES
