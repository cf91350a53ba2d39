"""A device as the host drives it: connect, ask, refresh, roll keys, disconnect, reclaim.

Document: AMD 58271, commands about devices; SEV-TIO's sequences "Connect", "Refresh", "Unbind, disconnect, reclaim".
Which steps a connect has, in which order, is `pytio.clients.psp.manner`'s; where one fails, those before it are taken
back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import attrs

from pytio.clients.ide_streams import Stream, enable, program, see_secure, switch_on, tear_down
from pytio.clients.psp.actions import Plan
from pytio.clients.psp.bounce import Bounce, SpdmBuffers
from pytio.clients.psp.firmware import Firmware
from pytio.clients.psp.manner import AnyDeviceStatus, ConnectStep
from pytio.clients.psp.memory import Buffer
from pytio.clients.psp.ports import DevicePorts
from pytio.clients.rollback import Undo, try_all
from pytio.errors import LocalProtocolError, SevCommandError
from pytio.ids import Bdf
from pytio.sev.codes import SevStatus
from pytio.sev.data_objects import ResultObject
from pytio.sev.sla import Sla
from pytio.sev.tio_codes import SevCommand

if TYPE_CHECKING:
    from pytio.clients.psp.interface import Interface

__all__ = ("NONCE_BYTES", "ConnectOptions", "Device")

NONCE_BYTES: Final = 32
"""The nonce of GET_MEASUREMENTS."""
_TRAFFIC_CLASS_0: Final = 1
_SEGMENT_MASK: Final = 0xFF


@attrs.frozen
class ConnectOptions:
    """What a connect may be told.

    Attributes:
        nonce: 32 bytes for the first measurements, which make them fresh to whoever chose it.
        cert_slot: the certificate slot, 0 to 7.
        raw_bitstream: ask for raw bit streams instead of digests.
        small_buffers: begin with the least sizes; the firmware asks for more where it needs more.
    """

    nonce: bytes = attrs.field(
        default=bytes(NONCE_BYTES),
        validator=[attrs.validators.min_len(NONCE_BYTES), attrs.validators.max_len(NONCE_BYTES)],
    )
    cert_slot: int = 0
    raw_bitstream: bool = False
    small_buffers: bool = False


class Device:
    """One device, from its context to its reclaim.

    Attributes:
        ports: its link.
        context: its context's pages; None before, and after the reclaim.
        stream: its IDE stream, as it was set up.
        is_connected: whether the firmware has a session with it.
        certificates: as the firmware gave them last.
        measurements: as the firmware gave them last.
        interfaces: those that have a context, by function.
    """

    def __init__(self, firmware: Firmware, ports: DevicePorts) -> None:
        """Make the record of a device; nothing is done yet."""
        self.ports = ports
        self.context: Buffer | None = None
        self.stream: Stream | None = None
        self.is_connected = False
        self.certificates: ResultObject | None = None
        self.measurements: ResultObject | None = None
        self.interfaces: dict[Bdf, Interface] = {}
        self.firmware = firmware
        self._bounce: Bounce | None = None
        self._is_created = False

    @property
    def function(self) -> Bdf:
        """The function that has the mailbox."""
        return self.ports.device

    @property
    def sla(self) -> Sla:
        """What names it in commands. Raises LocalProtocolError without a context."""
        if self.context is None:
            raise LocalProtocolError(f"{self.function} has no context", "a command about it", "connect it first")
        return self.context.sla

    @property
    def bounce(self) -> Bounce:
        """What issues the commands that speak to it. Raises LocalProtocolError without buffers."""
        if self._bounce is None:
            raise LocalProtocolError(
                f"{self.function} has no buffers", "a command that speaks to it", "connect it first"
            )
        return self._bounce

    @property
    def is_busy(self) -> bool:
        """Whether a command that speaks to it is under way."""
        return self._bounce is not None and self._bounce.pending is not None

    @property
    def is_gone(self) -> bool:
        """Whether nothing of it is left: no context, no buffers, no stream, no interface."""
        return self.context is None and self._bounce is None and self.stream is None and not self.interfaces

    # connect

    def connect(self, options: ConnectOptions) -> Plan[None]:
        """Connect: context, IDE, session, keys, evidence, in the order of the revision; or leave nothing behind.

        Raises:
            LocalProtocolError: it has a context already, or a port is not free.
            SevCommandError: the firmware refused a step.
            VerificationError: the IDE stream did not become secure.
            PytioError: whatever a step raises; a rollback that failed, too, is a note to it.
        """
        if not self.is_gone:
            raise LocalProtocolError(f"{self.function} is connected, or was not cleaned up", "connect")
        undo = Undo()
        try:
            for step in self.firmware.manner.connect:
                yield from self._CONNECT_STEPS[step](self, options, undo)
        except Exception as error:
            yield from undo.unwind(error)
            raise

    def _create(self, _: ConnectOptions, undo: Undo) -> Plan[None]:
        manner = self.firmware.manner
        self.context = yield from self.firmware.pool.buffer(self.firmware.known_sizes.devctx_size)
        undo.push(self._reclaim)
        yield from self.firmware.issue(
            SevCommand.TIO_DEV_CREATE,
            dev_ctx_sla=self.context.sla,
            device_id=self.function.requester_id,
            root_port_id=self.ports.root_port_number if manner.has_root_port_number else 0,
            segment_id=self.function.segment & _SEGMENT_MASK,
        )
        self._is_created = True

    def _set_up_ide(self, _: ConnectOptions, undo: Undo) -> Plan[None]:
        self.stream = yield from self.ports.reserve()
        undo.push(self._tear_down)
        yield from program(self.stream)

    def _switch_ide_on(self, _: ConnectOptions, undo: Undo) -> Plan[None]:
        yield from switch_on(self._known_stream())

    def _enable_ide(self, _: ConnectOptions, undo: Undo) -> Plan[None]:
        yield from enable(self._known_stream())

    def _see_secure(self, _: ConnectOptions, undo: Undo) -> Plan[None]:
        yield from see_secure(self._known_stream())

    def _allocate(self, options: ConnectOptions, undo: Undo) -> Plan[None]:
        buffers = yield from SpdmBuffers.allocate(self.firmware, at_least=options.small_buffers)
        self._bounce = Bounce(self.firmware, self.function, buffers)
        undo.push(self._release_buffers)

    def _connect(self, options: ConnectOptions, undo: Undo) -> Plan[None]:
        stream = self._known_stream()
        undo.push(self._abandon)
        self.certificates = yield from self.bounce.result(
            SevCommand.TIO_DEV_CONNECT,
            dev_ctx_sla=self.sla,
            tc_mask=_TRAFFIC_CLASS_0,
            cert_slot=options.cert_slot,
            ide_stream_id=self.firmware.manner.stream_ids(stream.stream_id),
        )
        self.is_connected = True

    def _measure(self, options: ConnectOptions, _: Undo) -> Plan[None]:
        yield from self.measure(options.nonce, raw_bitstream=options.raw_bitstream)

    def _try_to_measure(self, options: ConnectOptions, undo: Undo) -> Plan[None]:
        try:
            yield from self._measure(options, undo)
        except SevCommandError:  # R2 goes on without measurements
            self.measurements = None

    def _read_certificates(self, _: ConnectOptions, undo: Undo) -> Plan[None]:
        yield from self.read_certificates()

    def _known_stream(self) -> Stream:
        if self.stream is None:
            raise LocalProtocolError(f"{self.function} has no IDE stream", "a step of connect")
        return self.stream

    _CONNECT_STEPS: Final[Mapping[ConnectStep, Callable[[Device, ConnectOptions, Undo], Plan[None]]]] = (
        MappingProxyType(
            {
                ConnectStep.CREATE_CONTEXT: _create,
                ConnectStep.SET_UP_IDE: _set_up_ide,
                ConnectStep.SWITCH_IDE_ON: _switch_ide_on,
                ConnectStep.ALLOCATE_BUFFERS: _allocate,
                ConnectStep.CONNECT: _connect,
                ConnectStep.MEASURE: _measure,
                ConnectStep.TRY_TO_MEASURE: _try_to_measure,
                ConnectStep.READ_CERTIFICATES: _read_certificates,
                ConnectStep.ENABLE_IDE: _enable_ide,
                ConnectStep.SEE_SECURE: _see_secure,
            }
        )
    )

    # while it is connected

    def status(self) -> Plan[AnyDeviceStatus]:
        """Ask the firmware what it knows of the device. Raises SevCommandError."""
        structure = self.firmware.manner.device_status

        def ask(page: int) -> Plan[None]:
            size = structure.minimum_size()
            return self.firmware.issue(
                SevCommand.TIO_DEV_STATUS, dev_ctx_sla=self.sla, status_length=size, status_paddr=page
            )

        return (yield from self.firmware.query(structure, ask))

    def measure(self, nonce: bytes = bytes(NONCE_BYTES), *, raw_bitstream: bool = False) -> Plan[ResultObject]:
        """Have fresh measurements taken; in R1 the nonce is the firmware's own.

        Raises:
            ValueError: the nonce has not 32 bytes.
            PytioError: as `Bounce.result`.
        """
        if len(nonce) != NONCE_BYTES:
            raise ValueError(f"a nonce has {NONCE_BYTES} bytes, not {len(nonce)}")
        self.measurements = yield from self.bounce.result(
            SevCommand.TIO_DEV_MEASUREMENTS, dev_ctx_sla=self.sla, raw_bitstream=raw_bitstream, meas_nonce=nonce
        )
        return self.measurements

    def read_certificates(self) -> Plan[ResultObject]:
        """Have the certificates read again; SevCommandError with DEV_CERT_CHANGED where they are not the same."""
        self.certificates = yield from self.bounce.result(SevCommand.TIO_DEV_CERTIFICATES, dev_ctx_sla=self.sla)
        return self.certificates

    def refresh(self, nonce: bytes = bytes(NONCE_BYTES), *, raw_bitstream: bool = False) -> Plan[None]:
        """Read certificates and measurements again; raises as either does."""
        yield from self.read_certificates()
        yield from self.measure(nonce, raw_bitstream=raw_bitstream)

    def roll_key(self) -> Plan[None]:
        """Have the IDE keys of all streams replaced while traffic goes on; raises as `Bounce.issue`."""
        yield from self.bounce.issue(SevCommand.TIO_ROLL_KEY, dev_ctx_sla=self.sla)

    # the end

    def disconnect(self, *, is_forced: bool = False) -> Plan[None]:
        """Disconnect, by force where the device does not take part, and take everything back: pages, stream, slot.

        Every step is tried, and the first failure raised; what is left of the device stays here.

        Raises:
            LocalProtocolError: interfaces are left.
            SevCommandError: the firmware refused a step, even by force.
        """
        if self.interfaces:
            left = ", ".join(map(str, self.interfaces))
            raise LocalProtocolError(f"{self.function} has interfaces: {left}", "disconnect", "unbind them first")
        yield from self._end(is_forced=is_forced)

    def _end(self, *, is_forced: bool) -> Plan[None]:
        steps: list[Callable[[], Plan[None]]] = []
        if self.is_connected:
            steps.append(partial(self._disconnect, is_forced=is_forced))
        yield from try_all(*steps, self._reclaim, self._release_buffers, self._tear_down)

    def force_disconnect(self) -> Plan[None]:
        """Issue DEV_DISCONNECT by force, whatever the device's state, for `PspClient.recover`.

        A device that was not connected is no error.
        """
        if not self._is_created:
            return
        if self._bounce is None:  # the command names buffers, even though nothing is said
            self._bounce = Bounce(self.firmware, self.function, (yield from SpdmBuffers.allocate(self.firmware)))
        try:
            yield from self._issue_disconnect(is_forced=True)
        except SevCommandError as error:
            if error.status != SevStatus.INVALID_DEV_STATE:
                raise

    def clean_up(self) -> Plan[None]:
        """Reclaim, and take everything back, after `force_disconnect`; raises as `disconnect`."""
        yield from try_all(self._reclaim, self._release_buffers, self._tear_down)

    def _disconnect(self, *, is_forced: bool = False) -> Plan[None]:
        try:
            yield from self._issue_disconnect(is_forced=is_forced)
        except Exception as error:
            if is_forced:
                raise
            try:
                yield from self._issue_disconnect(is_forced=True)
            except Exception as worse:
                raise worse from error

    def _issue_disconnect(self, *, is_forced: bool) -> Plan[None]:
        yield from self.bounce.issue(SevCommand.TIO_DEV_DISCONNECT, dev_ctx_sla=self.sla, force=is_forced)
        self.is_connected = False

    def _abandon(self) -> Plan[None]:
        """Take a connect back, as far as it came."""
        yield from self._disconnect() if self.is_connected else self.force_disconnect()

    def _reclaim(self) -> Plan[None]:
        """Issue DEV_RECLAIM, and only then take the context's pages back."""
        if self.context is None:
            return
        if self._is_created:
            yield from self.firmware.issue(SevCommand.TIO_DEV_RECLAIM, dev_ctx_sla=self.sla)
            self._is_created = False
        context, self.context = self.context, None
        yield from self.firmware.pool.release(context)

    def _release_buffers(self) -> Plan[None]:
        if self._bounce is not None:
            buffers, self._bounce = self._bounce.buffers, None
            yield from buffers.release(self.firmware)

    def _tear_down(self) -> Plan[None]:
        if self.stream is not None:
            yield from tear_down(self.stream, self.ports.slots)
            self.stream = None
