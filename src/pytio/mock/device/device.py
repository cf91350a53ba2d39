"""A device: functions, port, memory and security manager, composed from a configuration.

Documents: PCIe Base 6.x chapters 6, 7, 9 and 11. This file decides what happens to what: which parts a reset reaches,
and which interfaces an event. Everything else is in the parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final, TypeAlias

from pytio.crypto import Provider
from pytio.ide import StreamCause
from pytio.ide_registers import IdeCapability
from pytio.ids import Bdf, StreamId
from pytio.mock.device.completer import Completer, read_config, write_config
from pytio.mock.device.config import MSI_X, RAM, REGISTERS, BarConfig, DeviceConfig, default_device_config
from pytio.mock.device.dma import dma_registers
from pytio.mock.device.dsm import Clock, Dsm
from pytio.mock.device.events import Scope, watch_function, watch_streams
from pytio.mock.device.functions import DeviceFunction, make_physical, make_virtual
from pytio.mock.device.regions import MsiXRegion, Ram, Region
from pytio.mock.device.requester import FunctionRequester
from pytio.mock.device.sr_iov import SrIov
from pytio.mock.device.tdi import DeviceTdi, Surroundings
from pytio.mock.doe_mailbox import Answer, DoeMailbox
from pytio.mock.example import example_config
from pytio.mock.function import FunctionEvent, MockFunction
from pytio.mock.ide_port import IdePort
from pytio.mock.link import Link, LinkEvent
from pytio.mock.transactions import Transactions
from pytio.tdisp import TdiEvent, TdiState

__all__ = ("EXAMPLE_DEVICE", "Device", "RegionFactory")

EXAMPLE_DEVICE: Final = Bdf.parse("0000:e1:00.0")
"""Where the example's device is."""
_NO_IDE: Final = IdeCapability()

RegionFactory: TypeAlias = Callable[[DeviceFunction, BarConfig, FunctionRequester], Region]
"""Makes what is behind a BAR: it is given the function, the BAR, and the function's way to the host's memory."""


def _registers(function: DeviceFunction, bar: BarConfig, requester: FunctionRequester) -> Region:
    def memory() -> Region | None:
        return next((one for one in function.regions.values() if isinstance(one, Ram)), None)

    return dma_registers(requester, memory, function.bdf.requester_id)


def _ram(function: DeviceFunction, bar: BarConfig, requester: FunctionRequester) -> Region:
    return Ram(bar.size_bytes)


def _msi_x(function: DeviceFunction, bar: BarConfig, requester: FunctionRequester) -> Region:
    if function.msi_x is None or function.msi_x.bar != bar.index:
        raise ValueError(f"BAR {bar.index} of {function.bdf} is not the one that MSI-X names")
    region = MsiXRegion(function.msi_x)
    region.unmasked = requester.interrupt
    return region


_REGIONS: Final[Mapping[str, RegionFactory]] = {REGISTERS: _registers, RAM: _ram, MSI_X: _msi_x}


class Device:
    """A device below a root port.

    Attributes:
        config: what it is.
        bdf: where its physical function is.
        mailbox: its DOE mailbox; None for a device without.
        ide: its port. A device without IDE has one, too, that no register tells of and that encrypts nothing.
        dsm: its security manager.
        transactions: the requests of its port.
    """

    def __init__(
        self,
        config: DeviceConfig | None = None,
        *,
        bdf: Bdf = EXAMPLE_DEVICE,
        provider: Provider | None = None,
        answer: Answer | None = None,
        regions: Mapping[str, RegionFactory] | None = None,
        clock: Clock = lambda: 0.0,
    ) -> None:
        """Build the device; nothing of it is enabled.

        Args:
            config: what it is; `default_device_config` without one.
            bdf: where its physical function is.
            provider: the source of its nonces and signatures.
            answer: somebody else's responder behind the mailbox, from data object to data object; see `Dsm`.
            regions: what is behind BARs, by the name in their configuration, beside the contents that there are.
            clock: says what time it is, in seconds.

        Raises:
            ValueError: a part of the configuration does not fit.
            KeyError: nobody knows the contents of a BAR.
        """
        self.config = config or default_device_config()
        self.bdf = bdf
        self._contents = {**_REGIONS, **(regions or {})}
        self._physical = make_physical(self.config, bdf)
        self._virtual: list[DeviceFunction] = []
        self._requesters: dict[Bdf, FunctionRequester] = {}
        self._tdis: dict[int, DeviceTdi] = {}
        self._physical.space.subscribe(self._physical_event)
        self._add_virtual_functions()
        self.mailbox = DoeMailbox(self._answer) if self.config.mailbox else None
        if self.mailbox is not None:
            self._physical.space.add_mailbox(self.mailbox)
        self.ide = self._make_port()
        self.transactions = Transactions(self.ide)
        self._compose_functions()
        self.dsm = self._make_dsm(provider, clock)
        if answer is not None:
            self.dsm.answer_by(answer)
        else:
            self.dsm.answer_with(self.config.spdm or example_config())
        self.ide.deliver = self._make_completer().deliver
        self._watch()

    @property
    def functions(self) -> dict[Bdf, MockFunction]:
        """The functions that are there now, by their address."""
        return {one.bdf: one.space for one in self._present()}

    def state(self, bdf: Bdf) -> TdiState:
        """Return the state of a function's interface; CONFIG_UNLOCKED for one without."""
        return self.dsm.state(bdf)

    def function(self, bdf: Bdf) -> DeviceFunction:
        """Return a function that may be there; raises KeyError if there can be none."""
        return {one.bdf: one for one in self._all()}[bdf]

    # the bus

    def attach(self, link: Link) -> None:
        """Be the lower end of a link; what happens to the link happens to the device."""
        link.attach(downstream=self)
        self.ide.transmit = link.up
        link.watchers.append(self._link_event)

    def receive(self, raw: bytes) -> None:
        """Take one TLP from the link."""
        self.ide.receive(raw)

    def config_read(self, bdf: Bdf, offset: int, size: int) -> bytes:
        """Return 1 to 4 bytes of a function's configuration space; all ones where there is no such function."""
        found = next((one for one in self._present() if one.bdf == bdf), None)
        return b"\xff" * size if found is None else read_config(found, offset, size)

    def config_write(self, bdf: Bdf, offset: int, data: bytes) -> None:
        """Write 1 to 4 bytes; they are lost where there is no such function."""
        found = next((one for one in self._present() if one.bdf == bdf), None)
        if found is not None:
            write_config(found, offset, data)

    # what the device does of its own accord

    def dma_read(self, bdf: Bdf, address: int, size: int) -> bytes:
        """Let a function read memory of the host.

        Raises:
            LocalProtocolError: it may not send that now: no Bus Master Enable, or its interface does not run.
            RemoteProtocolError: the request was refused, or nobody answered.
        """
        return self._requesters[bdf].read(address, size)

    def dma_write(self, bdf: Bdf, address: int, data: bytes) -> None:
        """Let a function write memory of the host.

        Raises:
            LocalProtocolError: as for `dma_read`.
        """
        self._requesters[bdf].write(address, data)

    def interrupt(self, bdf: Bdf, vector: int) -> bool:
        """Let a function send the message of an MSI-X vector; return whether it went, and does not wait masked.

        Raises:
            LocalProtocolError: as for `dma_read`, or MSI-X is not enabled.
            IndexError: there is no such vector.
        """
        return self._requesters[bdf].interrupt(vector)

    def happen(self, event: TdiEvent, *bdfs: Bdf, stream_id: int | None = None) -> None:
        """Let something happen that no register shows, such as debug that is authorised: `TdiEvent.TRUST_LOST`."""
        self.dsm.happen(event, functions=bdfs, stream_id=stream_id)

    def reset(self) -> None:
        """Reset conventionally: everything, sessions and keys among it."""
        self.dsm.reset()
        self._physical.space.reset()

    # what it is made of

    def _present(self) -> Iterable[DeviceFunction]:
        return (one for one in self._all() if one.is_present)

    def _all(self) -> Iterable[DeviceFunction]:
        return (self._physical, *self._virtual)

    def _add_virtual_functions(self) -> None:
        virtual = self.config.virtual_functions
        if virtual is None:
            return
        self._physical.sr_iov = SrIov(self._physical.space, virtual, self._virtual_functions_changed)
        self._virtual = [make_virtual(self.config, self._physical, number) for number in range(1, virtual.total + 1)]

    def _make_port(self) -> IdePort:
        """Return the port; without IDE its capability is where nobody sees it."""
        has_ide = self.config.ide is not None
        return IdePort(
            self._physical.space if has_ide else MockFunction(self.config.vendor_id, self.config.device_id),
            self.bdf,
            capability=self.config.ide if has_ide else _NO_IDE,
            address_associations=self.config.address_associations,
            is_tee_io_supported=self.config.tee_io,
        )

    def _compose_functions(self) -> None:
        around = Surroundings(
            self.config,
            self._physical,
            self._present,
            self.ide.registers if self.config.ide is not None else None,
            self._is_stream_keyed,
        )
        for function in self._all():
            tdi = self._tdis[function.bdf.requester_id] = DeviceTdi(function, around)
            requester = self._requesters[function.bdf] = FunctionRequester(
                function,
                tdi,
                self.transactions,
                partial(self.state, function.bdf),
                partial(self._request_failed, function.bdf),
            )
            for bar in function.bars:
                function.regions[bar.index] = self._contents[bar.content](function, bar, requester)

    def _make_dsm(self, provider: Provider | None, clock: Clock) -> Dsm:
        has_ide_km = self.config.ide is not None and self.config.ide.ide_km_protocol_supported
        tdis = {Bdf.from_requester_id(rid, self.bdf.segment): tdi for rid, tdi in self._tdis.items()}
        return Dsm(
            tdis if self.config.tee_io else {},
            ports=dict.fromkeys(self.config.ide_port_indexes, self.ide) if has_ide_km else {},
            capabilities=self.config.tdisp,
            provider=provider,
            clock=clock,
        )

    def _make_completer(self) -> Completer:
        return Completer(
            self.transactions,
            self._physical,
            self._present,
            self._tdis,
            lambda function: self.state(function.bdf),
            lambda function: self.happen(TdiEvent.DATA_POISONED, function.bdf),
            lambda bus: self.happen(TdiEvent.REQUESTER_ID_CHANGED, *(one.bdf for one in self._all())),
        )

    def _watch(self) -> None:
        for function in self._all():
            watch_function(function, self._register_event, quirks=self.config.quirks)
        if self.config.ide is not None:
            watch_streams(self.ide, lambda number: self.happen(TdiEvent.STREAM_REGISTERS_WRITTEN, stream_id=number))
        for function in self._virtual:
            function.space.subscribe(partial(self._virtual_event, function))

    # what happens

    def _is_stream_keyed(self, stream_id: StreamId, session: int) -> bool:
        return self.dsm.is_stream_keyed(stream_id, session)

    def _answer(self, unit: bytes) -> bytes | None:
        return self.dsm.answer(unit)

    def _register_event(self, event: TdiEvent, function: DeviceFunction, scope: Scope) -> None:
        hosted = scope is Scope.HOSTED and not function.is_virtual
        self.happen(event, *(self._hosted() if hosted else (function.bdf,)))
        if event is TdiEvent.POWER_STATE_LOST:
            function.space.space.reset(keep_sticky=True)

    def _physical_event(self, event: FunctionEvent) -> None:
        if event is FunctionEvent.FUNCTION_LEVEL_RESET:
            self.happen(TdiEvent.FUNCTION_LEVEL_RESET, *self._hosted())
        if event in {FunctionEvent.FUNCTION_LEVEL_RESET, FunctionEvent.CONVENTIONAL_RESET}:
            self._physical.scrub()

    def _virtual_event(self, function: DeviceFunction, event: FunctionEvent) -> None:
        if event is FunctionEvent.FUNCTION_LEVEL_RESET:
            self.happen(TdiEvent.FUNCTION_LEVEL_RESET, function.bdf)
            function.scrub()

    def _hosted(self) -> tuple[Bdf, ...]:
        return tuple(one.bdf for one in self._all())

    def _virtual_functions_changed(self, count: int) -> None:
        """Let the first ``count`` virtual functions be there, those that are new as after a reset."""
        for function in self._virtual:
            is_present = function.number <= count
            if is_present and not function.is_present:
                function.space.space.reset()
            if not is_present and function.is_present:
                function.scrub()
            function.is_present = function.space.space.is_present = is_present

    def _request_failed(self, bdf: Bdf) -> None:
        if self.config.is_failed_dma_fatal:
            self.happen(TdiEvent.COMPLETION_FAILED, bdf)

    def _link_event(self, event: LinkEvent) -> None:
        if event is LinkEvent.DOWN:
            self.ide.happen(StreamCause.LINK_DOWN)
        elif event is LinkEvent.HOT_RESET:
            self.reset()
