"""The host's client: the platform, and the devices, interfaces and guests that it keeps in order.

Documents: AMD 56860, "SNP_PLATFORM_STATUS", "SNP_FEATURE_INFO", "SNP_INIT_EX"; AMD 58271, "TIO_STATUS", "TIO_INIT". It
plays what the kernel's ccp driver plays; every verb is a plan, which `pytio.hosts.psp_port` performs.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from pytio.clients.psp.actions import Plan
from pytio.clients.psp.device import ConnectOptions, Device
from pytio.clients.psp.firmware import Firmware
from pytio.clients.psp.interface import Interface
from pytio.clients.psp.launch import LaunchPage, SnpGuest
from pytio.clients.psp.manner import AnyTioStatus, HostManner
from pytio.clients.psp.ports import DevicePorts
from pytio.clients.rollback import try_all
from pytio.errors import BackendBusyError, BackendUnavailableError, LocalProtocolError, RemoteProtocolError
from pytio.ids import Bdf
from pytio.sev.codes import SnpPlatformFlags
from pytio.sev.commands import LockFlags
from pytio.sev.host_ioctl import SnpPlatformStatus
from pytio.sev.structures import FeatureInfo
from pytio.sev.tio_codes import Revision, SevCommand, TioStatusFlags

__all__ = ("PspClient",)

_BACKEND: Final = "psp"
_LENGTH_BYTES: Final = 4
_LEAST_STATUS_BYTES: Final = 48


class PspClient:
    """One host's dealings with the firmware.

    Attributes:
        devices: the devices of which something is left, by function.
        guests: the guests that have a context, by ASID.
    """

    def __init__(self, revision: Revision = Revision.P2) -> None:
        """Start before SNP_INIT_EX."""
        self.firmware = Firmware(revision)
        self.devices: dict[Bdf, Device] = {}
        self.guests: dict[int, SnpGuest] = {}

    @property
    def manner(self) -> HostManner:
        """What a host of the revision does."""
        return self.firmware.manner

    # the platform

    def init(self, *, max_snp_asid: int = 0) -> Plan[AnyTioStatus]:
        """Initialize SNP with SEV-TIO, then SEV-TIO, and return what it has room for.

        A platform whose SNP is initialized already is taken as it is.

        Raises:
            BackendUnavailableError: the firmware has no SEV-TIO, or it is not enabled.
            BackendBusyError: SEV-TIO is initialized already, and the revision takes that for somebody else's.
            SevCommandError: the firmware refused a step.
        """
        platform = yield from self.platform_status()
        if not platform.state:
            yield from self._check_feature(platform)
            yield from self.firmware.issue(SevCommand.SNP_INIT_EX, tio_en=True, max_snp_asid=max_snp_asid)
        self.firmware.is_snp_initialized = True
        status = yield from self.tio_status()
        if not status.flags & (TioStatusFlags.TIO_EN | TioStatusFlags.TIO_INIT_DONE):
            hint = "enable SEV-TIO in the firmware setup; SNP_INIT_EX has to be told TIO_EN"
            raise BackendUnavailableError(_BACKEND, "SEV-TIO is not enabled", hint)
        if status.flags & TioStatusFlags.TIO_INIT_DONE:
            if not self.manner.goes_on_when_initialized:
                raise BackendBusyError(_BACKEND, "SEV-TIO is initialized already", "shut SNP down first")
        else:
            yield from self.firmware.issue(SevCommand.TIO_INIT)
            status = yield from self.tio_status()
        self.firmware.sizes = status
        return status

    def _check_feature(self, platform: SnpPlatformStatus) -> Plan[None]:
        hint = "update the SEV firmware"
        if not platform.flags & SnpPlatformFlags.FEATURE_INFO_AVAILABLE:
            raise BackendUnavailableError(_BACKEND, "the firmware has no SNP_FEATURE_INFO", hint)
        features = yield from self.feature_info()
        if not any(getattr(features, name) for name in self.manner.tio_features):
            raise BackendUnavailableError(_BACKEND, "the firmware has no SEV-TIO", hint)

    def platform_status(self) -> Plan[SnpPlatformStatus]:
        """Ask SNP_PLATFORM_STATUS. Raises SevCommandError."""
        issue = partial(self.firmware.issue, SevCommand.SNP_PLATFORM_STATUS)
        return (yield from self.firmware.query(SnpPlatformStatus, lambda page: issue(status_paddr=page)))

    def feature_info(self) -> Plan[FeatureInfo]:
        """Ask SNP_FEATURE_INFO for sub-leaf 0. Raises SevCommandError."""
        issue = partial(self.firmware.issue, SevCommand.SNP_FEATURE_INFO)
        return (yield from self.firmware.query(FeatureInfo, lambda page: issue(feature_info_paddr=page)))

    def tio_status(self) -> Plan[AnyTioStatus]:
        """Ask TIO_STATUS.

        Raises:
            RemoteProtocolError: the structure is too short, or has flags that the document does not.
            SevCommandError: the firmware refused.
        """
        structure = self.manner.tio_status
        issue = partial(self.firmware.issue, SevCommand.TIO_STATUS)
        size = structure.minimum_size().to_bytes(_LENGTH_BYTES, "little")
        status = yield from self.firmware.query(structure, lambda page: issue(status_paddr=page), prefill=size)
        known = TioStatusFlags.TIO_EN | TioStatusFlags.TIO_INIT_DONE
        if status.length < _LEAST_STATUS_BYTES or status.flags & ~known:
            raise RemoteProtocolError("TIO_STATUS", f"{status.length} bytes, flags {int(status.flags):#x}")
        return status

    def shutdown(self) -> Plan[None]:
        """Shut SNP down; all state of SEV-TIO goes with it.

        Raises:
            LocalProtocolError: a device or a guest is left.
            SevCommandError: the firmware refused.
        """
        left = [*map(str, self.devices), *(f"the guest with ASID {asid}" for asid in self.guests)]
        if left:
            raise LocalProtocolError(f"left: {', '.join(left)}", "shutdown", "disconnect and destroy them first")
        yield from self.firmware.issue(SevCommand.SNP_SHUTDOWN_EX, iommu_snp_shutdown=True)
        self.firmware.is_snp_initialized = False
        self.firmware.sizes = None

    # devices, guests, interfaces

    def connect(self, ports: DevicePorts, options: ConnectOptions | None = None) -> Plan[Device]:
        """Connect the device of a link; raises as `Device.connect`, and leaves nothing behind then."""
        if ports.device in self.devices:
            raise LocalProtocolError(f"{ports.device} is connected, or was not cleaned up", "connect")
        device = self.devices[ports.device] = Device(self.firmware, ports)
        try:
            yield from device.connect(options or ConnectOptions())
        finally:
            self._forget(device)
        return device

    def disconnect(self, device: Device, *, is_forced: bool = False) -> Plan[None]:
        """Disconnect a device, and take everything of it back; raises as `Device.disconnect`."""
        try:
            yield from device.disconnect(is_forced=is_forced)
        finally:
            self._forget(device)

    def _forget(self, device: Device) -> None:
        if device.is_gone:
            self.devices.pop(device.function, None)

    def launch(self, asid: int, pages: tuple[LaunchPage, ...], *, policy: int = 0, **finish: Any) -> Plan[SnpGuest]:
        """Launch a guest; raises as `SnpGuest.launch`, and leaves nothing behind then."""
        if asid in self.guests:
            raise LocalProtocolError(f"ASID {asid} is in use", "launch")
        guest = SnpGuest(self.firmware, asid)
        self.guests[asid] = guest
        try:
            yield from guest.launch(pages, policy=policy, **finish)
        finally:
            if guest.gctx_paddr is None:
                del self.guests[asid]
        return guest

    def destroy(self, guest: SnpGuest) -> Plan[None]:
        """End a guest; raises as `SnpGuest.destroy`, and LocalProtocolError while an interface is bound to it."""
        bound = [
            str(each.function)
            for device in self.devices.values()
            for each in device.interfaces.values()
            if each.guest is guest
        ]
        if bound:
            raise LocalProtocolError(f"bound to it: {', '.join(bound)}", "destroy", "unbind them first")
        try:
            yield from guest.destroy()
        finally:
            if guest.gctx_paddr is None:
                self.guests.pop(guest.asid, None)

    def bind(
        self,
        device: Device,
        function: Bdf,
        guest: SnpGuest,
        guest_device_id: int,
        *,
        lock_flags: LockFlags | None = None,
    ) -> Plan[Interface]:
        """Bind an interface of a device to a guest; raises as `Interface.bind`, and leaves nothing behind then."""
        if function in device.interfaces:
            raise LocalProtocolError(f"{function} is bound, or was not cleaned up", "bind")
        interface = Interface(device, function)
        yield from interface.bind(guest, guest_device_id, lock_flags=lock_flags)
        return interface

    # when all else failed

    def recover(self) -> Plan[None]:
        """Disconnect every device by force, and reclaim, in order: interfaces, devices, streams, lost pages.

        Guests stay. Every step is tried, and the first failure raised; what is left stays in `devices` and can be tried
        again.
        """
        try:
            yield from try_all(
                *(partial(self._recover_device, device) for device in tuple(self.devices.values())),
                self.firmware.pool.retry_lost,
            )
        finally:
            for device in tuple(self.devices.values()):
                self._forget(device)

    def _recover_device(self, device: Device) -> Plan[None]:
        interfaces = tuple(device.interfaces.values())
        for interface in interfaces:
            try:
                yield from interface.abandon()
            except Exception:  # noqa: BLE001, S112  it is tried again when the device is disconnected
                continue
        yield from try_all(
            device.force_disconnect, *(partial(self._recover_interface, each) for each in interfaces), device.clean_up
        )

    def _recover_interface(self, interface: Interface) -> Plan[None]:
        if interface.context is not None:
            yield from interface.abandon()
        yield from interface.release()
