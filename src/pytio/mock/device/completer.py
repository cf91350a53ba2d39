"""What a device does with a TLP that arrived: memory, configuration, completions; everything else is unsupported.

Document: PCIe Base 6.x, 2.3.1 "Request Handling Rules", and chapter 11 for what TDISP allows. Whether a memory request
is answered is looked up in `pytio.mock.device.rules`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, Final

import attrs

from pytio import ide
from pytio.ids import StreamId, SubStream
from pytio.mock.device.functions import DeviceFunction, Window
from pytio.mock.device.rules import Origin, Target, is_accepted
from pytio.mock.device.tdi import DeviceTdi
from pytio.mock.transactions import MemoryRequest, Transactions, enabled_runs, span_of
from pytio.tdisp import MmioAttributes, TdiState

__all__ = ("Completer", "read_config", "write_config")

_DEVFN_MASK: Final = 0xFF
_BUS_SHIFT: Final = 8
_MSI_X: Final = MmioAttributes.MSI_X_TABLE | MmioAttributes.MSI_X_PBA


@attrs.define
class Completer:
    """Answers the requests that reach a device.

    Attributes:
        transactions: of the port.
        physical: the physical function, which answers for what reaches none.
        functions: those that are there now.
        tdis: the interface of each function, by its requester id.
        state: says in which state a function's interface is.
        poisoned: is told which function poisoned data were for.
        other_bus: is told the bus number of a configuration write that names another bus than the device's own.
    """

    transactions: Transactions
    physical: DeviceFunction
    functions: Callable[[], Iterable[DeviceFunction]]
    tdis: Mapping[int, DeviceTdi]
    state: Callable[[DeviceFunction], TdiState]
    poisoned: Callable[[DeviceFunction], object]
    other_bus: Callable[[int], object]

    def deliver(self, event: ide.TlpReceived) -> None:
        """Take a TLP that passed all checks of IDE."""
        header = event.tlp.header
        handler = self._HANDLERS.get(header.tlp_type.name.removesuffix("32").removesuffix("64"))
        if handler is not None:
            handler(self, event)
        elif header.sub_stream is not SubStream.PR:  # messages are taken, and mean nothing to this device
            self._refuse(event.tlp, self.physical)

    # memory

    def _memory(self, event: ide.TlpReceived) -> None:
        header = event.tlp.header
        assert isinstance(header, MemoryRequest)
        address, size = span_of(event.tlp)
        window = self._find(address, size)
        if window is None or not self._is_accepted(window, address, event):
            self._refuse(event.tlp, self.physical if window is None else window.function)
            return
        region = window.function.regions[window.bar.index]
        if header.poisoned:
            self.poisoned(window.function)
        elif header.has_data:
            for at, data in enabled_runs(event.tlp):
                region.write(at - window.base, data)
        else:
            data = region.read(address - window.base, size)
            self.transactions.complete(event.tlp, window.function.bdf.requester_id, data)

    def _find(self, address: int, size: int) -> Window | None:
        return next(
            (
                window
                for function in self.functions()
                if function.is_memory_enabled
                for window in function.windows()
                if window.holds(address, size)
            ),
            None,
        )

    def _is_accepted(self, window: Window, address: int, event: ide.TlpReceived) -> bool:
        function = window.function
        tdi = self.tdis[function.bdf.requester_id]
        target = _target(window, address, is_msi_x_locked=tdi.is_msi_x_locked)
        return is_accepted(self.state(function), target, _origin(event, tdi.stream_id))

    # configuration space

    def _configuration(self, event: ide.TlpReceived) -> None:
        header = event.tlp.header
        assert isinstance(header, ide.ConfigurationRequest)
        function = self._configured(header)
        if function is None:
            self._refuse(event.tlp, self.physical)
            return
        completer = function.bdf.requester_id
        if header.has_data:
            for at, data in enabled_runs(event.tlp):
                write_config(function, at, data)
            self.transactions.complete(event.tlp, completer)
        else:
            offset, size = span_of(event.tlp)
            self.transactions.complete(event.tlp, completer, read_config(function, offset, size))

    def _configured(self, header: ide.ConfigurationRequest) -> DeviceFunction | None:
        """Return the function that a request names: of type 0, on whatever bus the device is, which a write tells."""
        bus, own_bus = header.destination_id >> _BUS_SHIFT, self.physical.bdf.bus
        is_type_0 = header.tlp_type in {ide.TlpType.CFGRD0, ide.TlpType.CFGWR0}
        if is_type_0 and bus != own_bus and header.has_data:
            self.other_bus(bus)
        wanted = own_bus << _BUS_SHIFT | header.destination_id & _DEVFN_MASK if is_type_0 else header.destination_id
        return next((one for one in self.functions() if one.bdf.requester_id == wanted), None)

    # completions

    def _completion(self, event: ide.TlpReceived) -> None:
        header = event.tlp.header
        assert isinstance(header, ide.Completion)
        if not header.poisoned:
            self.transactions.take(event.tlp)
            return
        function = next((one for one in self.functions() if one.bdf.requester_id == header.requester_id), None)
        if function is not None:
            self.poisoned(function)
        failed = header.replace(
            tlp_type=ide.TlpType.CPL, length=0, byte_count=0, status=ide.CompletionStatus.COMPLETER_ABORT
        )
        self.transactions.take(ide.Tlp(header=failed))  # poisoned data are none: the request has failed

    def _refuse(self, request: ide.Tlp, function: DeviceFunction) -> None:
        self.transactions.refuse(request, function.bdf.requester_id)

    _HANDLERS: ClassVar[Mapping[str, Callable[[Completer, ide.TlpReceived], None]]] = {
        **dict.fromkeys(("MRD", "MWR"), _memory),
        **dict.fromkeys(("CFGRD0", "CFGRD1", "CFGWR0", "CFGWR1"), _configuration),
        **dict.fromkeys(("CPL", "CPLD"), _completion),
    }
    """What is done about each type of TLP, without its address size."""


def read_config(function: DeviceFunction, offset: int, size: int) -> bytes:
    """Return any bytes within a double word of configuration space, by accesses that are aligned."""
    space = function.space.space
    return b"".join(space.read(at, width).to_bytes(width, "little") for at, width in _accesses(offset, size))


def write_config(function: DeviceFunction, offset: int, data: bytes) -> None:
    """Write any bytes within a double word of configuration space, by accesses that are aligned."""
    for at, width in _accesses(offset, len(data)):
        part = data[at - offset : at - offset + width]
        function.space.space.write(at, width, int.from_bytes(part, "little"))


def _accesses(offset: int, size: int) -> Iterable[tuple[int, int]]:
    while size > 0:
        width = next(width for width in (4, 2, 1) if width <= size and offset % width == 0)
        yield offset, width
        offset, size = offset + width, size - width


def _target(window: Window, address: int, *, is_msi_x_locked: bool) -> Target:
    """Return what a memory request reaches."""
    attributes = window.bar.attributes | window.function.attribute_at(window.bar, address - window.base)
    if attributes & _MSI_X:
        return Target.MSI_X if is_msi_x_locked else Target.UNLOCKED_MSI_X
    return Target.NON_TEE_MEMORY if MmioAttributes.IS_NON_TEE_MEM in attributes else Target.TEE_MEMORY


def _origin(event: ide.TlpReceived, bound: StreamId | None) -> Origin:
    """Return where a memory request comes from."""
    if not event.is_tee:
        return Origin.ORDINARY
    return Origin.TVM if bound is not None and event.stream_id == bound else Origin.OTHER_TEE
