"""A function as TDISP sees it: may it be locked as it is configured, what does it report, what happens to its insides.

Document: PCIe Base 6.x chapter 11, "LOCK_INTERFACE_REQUEST" (what a lock is refused for) and "DEVICE_INTERFACE_REPORT".
Everything is read from the registers at the time of the lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations
from typing import Final, TypeAlias

import attrs

from pytio.errors import TdispPeerError
from pytio.ide_registers import IdeRegisters
from pytio.ids import StreamId
from pytio.mock.device.config import DeviceConfig
from pytio.mock.device.functions import DeviceFunction, Window
from pytio.mock.tdi import StreamCheck
from pytio.tdisp import (
    InterfaceInfo,
    InterfaceReport,
    LockFlags,
    LockInterfaceRequest,
    MmioAttributes,
    MmioRange,
    TdispErrorCode,
)
from pytio.tdisp.codes import PAGE_BYTES
from pytio.tdisp.state import Cause

__all__ = ("DeviceTdi", "Refusal", "Surroundings", "interface_report")

_DEVICE_CONTROL: Final = 0x08
_PHANTOM_FUNCTIONS_ENABLE: Final = 1 << 9
_MSI_X_ATTRIBUTES: Final = MmioAttributes.MSI_X_TABLE | MmioAttributes.MSI_X_PBA

Refusal: TypeAlias = tuple[TdispErrorCode, str]
"""Why a lock is refused."""


@attrs.frozen
class Surroundings:
    """What an interface has to look at beside its own function."""

    config: DeviceConfig
    physical: DeviceFunction
    functions: Callable[[], Iterable[DeviceFunction]]
    """All that are there now."""
    ide_registers: Callable[[], IdeRegisters] | None
    """The IDE capability; None for a device without IDE."""
    is_stream_keyed: StreamCheck


class DeviceTdi:
    """An interface, hosted by a function of a device.

    Attributes:
        function: its host.
        request: the lock that is in force; None in CONFIG_UNLOCKED.
    """

    def __init__(self, function: DeviceFunction, surroundings: Surroundings) -> None:
        """Start unlocked."""
        self.function = function
        self.request: LockInterfaceRequest | None = None
        self._surroundings = surroundings

    @property
    def stream_id(self) -> StreamId | None:
        """The stream that it is bound to; None in CONFIG_UNLOCKED."""
        return None if self.request is None else self.request.default_stream_id

    @property
    def is_msi_x_locked(self) -> bool:
        """Whether the MSI-X table is locked, and reported."""
        has_table = self.function.msi_x is not None
        return has_table and self.request is not None and LockFlags.LOCK_MSIX in self.request.flags

    def lock(self, request: LockInterfaceRequest, session: int) -> InterfaceReport:
        """Report; raises TdispPeerError where the configuration does not allow a lock.

        Nothing is under way that has to be aborted: a transfer is over when the write that started it has returned.
        """
        for check in _CHECKS:
            for code, detail in check(self.function, self._surroundings, request, session):
                raise TdispPeerError(code, detail)
        try:
            report = interface_report(self.function, self._surroundings.config, request)
        except ValueError as error:
            raise TdispPeerError(TdispErrorCode.INVALID_REQUEST, str(error)) from error
        self.request = request
        return report

    def start(self) -> None:
        """Do nothing more: the rules look at the state."""

    def fail(self, cause: Cause) -> None:
        """Forget what the TVM left; the lock stays until STOP."""
        self._scrub()

    def stop(self) -> None:
        """Forget what the TVM left, and unlock."""
        self._scrub()
        self.request = None

    def _scrub(self) -> None:
        if self.request is not None:  # what no TVM had belongs to whoever wrote it
            self.function.scrub()


def interface_report(function: DeviceFunction, config: DeviceConfig, request: LockInterfaceRequest) -> InterfaceReport:
    """Return what a function reports, from its registers as they are.

    Raises:
        ValueError: memory does not start at a page, as reported.
    """
    is_msi_x_locked = LockFlags.LOCK_MSIX in request.flags and function.msi_x is not None
    info = config.interface_info & ~InterfaceInfo.NO_FW_UPDATE
    if LockFlags.NO_FW_UPDATE in request.flags:
        info |= InterfaceInfo.NO_FW_UPDATE
    return InterfaceReport(
        interface_info=info,
        msi_x_message_control=function.msi_x_control if is_msi_x_locked else 0,
        mmio_ranges=tuple(
            MmioRange.of(
                window.base + start,
                size,
                mmio_reporting_offset=request.mmio_reporting_offset,
                attributes=window.bar.attributes | attribute,
                range_id=window.bar.index,
            )
            for window in sorted(function.windows(), key=lambda window: window.bar.index)
            for start, size, attribute in _ranges(window)
            if is_msi_x_locked or not attribute & _MSI_X_ATTRIBUTES
        ),
        device_specific_info=config.device_specific_info,
    )


def _ranges(window: Window) -> Iterator[tuple[int, int, MmioAttributes]]:
    """Yield offset, size and kind of the parts of a BAR: the pages of MSI-X apart from those of everything else."""
    start, kind = 0, window.function.attribute_at(window.bar, 0)
    for at in range(PAGE_BYTES, window.bar.size_bytes + 1, PAGE_BYTES):
        following = window.function.attribute_at(window.bar, at) if at < window.bar.size_bytes else None
        if following != kind:
            yield start, at - start, kind
            start, kind = at, following or MmioAttributes(0)


# what a lock is refused for


def _is_there(
    function: DeviceFunction, around: Surroundings, request: LockInterfaceRequest, session: int
) -> Iterator[Refusal]:
    if not function.is_present:
        yield TdispErrorCode.INVALID_INTERFACE, f"{function.bdf} is not enabled"


def _stream_is_default(
    function: DeviceFunction, around: Surroundings, request: LockInterfaceRequest, session: int
) -> Iterator[Refusal]:
    """Refuse what is wrong with the default stream (PCIE_A14)."""
    if around.ide_registers is None:
        return
    defaults = [one.control for one in around.ide_registers().selective_streams if one.control.default_stream]
    if len(defaults) > 1:
        yield TdispErrorCode.INVALID_DEVICE_CONFIGURATION, f"{len(defaults)} streams are the default one"
    elif not defaults or defaults[0].stream_id != request.default_stream_id:
        yield TdispErrorCode.INVALID_REQUEST, f"stream {request.default_stream_id} is not the default one"
    elif defaults[0].traffic_class:
        yield TdispErrorCode.INVALID_DEVICE_CONFIGURATION, "the default stream is not on traffic class 0"


def _stream_is_keyed(
    function: DeviceFunction, around: Surroundings, request: LockInterfaceRequest, session: int
) -> Iterator[Refusal]:
    if around.ide_registers is not None and not around.is_stream_keyed(request.default_stream_id, session):
        yield TdispErrorCode.INVALID_REQUEST, f"the keys of stream {request.default_stream_id} are not there"


def _no_phantoms(
    function: DeviceFunction, around: Surroundings, request: LockInterfaceRequest, session: int
) -> Iterator[Refusal]:
    space = around.physical.space
    if space.space.peek(space.pci_express + _DEVICE_CONTROL, 2) & _PHANTOM_FUNCTIONS_ENABLE:
        yield TdispErrorCode.INVALID_DEVICE_CONFIGURATION, "phantom functions are enabled"


def _page_size_is_supported(
    function: DeviceFunction, around: Surroundings, request: LockInterfaceRequest, session: int
) -> Iterator[Refusal]:
    sr_iov = around.physical.sr_iov
    if sr_iov is not None and not sr_iov.system_page_bytes:
        yield TdispErrorCode.INVALID_DEVICE_CONFIGURATION, "the system page size is not supported"


def _nothing_overlaps(
    function: DeviceFunction, around: Surroundings, request: LockInterfaceRequest, session: int
) -> Iterator[Refusal]:
    windows = [window for one in around.functions() for window in one.windows()]
    for one, other in combinations(windows, 2):
        if one.overlaps(other):
            places = f"BAR {one.bar.index} of {one.function.bdf} and BAR {other.bar.index} of {other.function.bdf}"
            yield TdispErrorCode.INVALID_DEVICE_CONFIGURATION, f"{places} overlap"
    rom = around.physical.rom_address
    for window in windows:
        end = window.base + window.bar.size_bytes
        if rom is not None and rom < end and window.base < rom + around.config.rom_bytes:
            yield TdispErrorCode.INVALID_DEVICE_CONFIGURATION, f"the ROM overlaps BAR {window.bar.index}"


_Check: TypeAlias = Callable[[DeviceFunction, Surroundings, LockInterfaceRequest, int], Iterator[Refusal]]
_CHECKS: Final[Sequence[_Check]] = (
    _is_there,
    _stream_is_default,
    _stream_is_keyed,
    _no_phantoms,
    _page_size_is_supported,
    _nothing_overlaps,
)
"""In the order in which they are made."""
