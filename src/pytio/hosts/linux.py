"""The real Linux host: devices under sysfs, and the kernel's PCI/TSM as a `Tsm`.

Facts: the kernel's PCI/TSM core and AMD's link TSM, and the two SEV-TIO RFCs. The order of a connect is the kernel's
documentation's: a TSM is registered, the device has its files, the name is written, and then what the machine shows is
compared with what it said.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Final
from weakref import finalize

from pytio.backends.netlink import open_netlink
from pytio.backends.sysfs import (
    EvidenceFiles,
    Sysfs,
    SysfsConfigSpace,
    SysfsFunction,
    TsmFiles,
    TsmShape,
    interface_files,
    stream_links,
    tsm_files,
)
from pytio.backends.tsm_netlink import EvidenceType, read_evidence
from pytio.clients import tsm as client
from pytio.clients.tsm import GivenEvidence, PortSight, Sight
from pytio.doe import Feature, Limits
from pytio.errors import BackendUnavailableError
from pytio.hosts.capabilities import DOE, IDE, extended_capabilities
from pytio.hosts.mailbox import MailboxTransport, open_mailbox
from pytio.hosts.tsm import drive
from pytio.idekm import IdeRegisters
from pytio.ids import Bdf
from pytio.pci.views import ConfigView

__all__ = (
    "LinuxDevice",
    "LinuxHost",
    "LinuxTdi",
    "LinuxTsm",
    "LinuxWitness",
    "enabled_streams",
    "open_doe",
    "open_host",
)

_SCHEME: Final = "sysfs:"
_REAL_ROOT: Final = Path("/sys")
_CAPABILITY_HEADER_BYTES: Final = 4


class LinuxTsm:
    """The kernel's TSM as any other; its verbs raise BackendError by what the kernel said."""

    def __init__(self, sysfs: Sysfs, name: str | None = None) -> None:
        """Use the TSM called ``name``, or the first link TSM there is."""
        self._sysfs = sysfs
        self._name = name

    def name(self) -> str:
        """Return which TSM this is.

        Raises:
            BackendUnavailableError: none is registered.
        """
        if self._name is not None:
            return self._name
        for found in self._sysfs.tsms():
            if found.pci_mode in {None, "link"}:
                return found.name
        raise BackendUnavailableError(
            str(self._sysfs.root / "class/tsm"),
            "no link TSM is registered",
            "SEV-TIO must be on in the firmware setup and in ccp: see `pytio doctor`",
        )

    def connect(self, device: Bdf) -> None:
        """Write ``tsm/connect``, or what the RFCs have instead."""
        files = self._files(device)
        files.connect(self.name() if files.shape is TsmShape.UPSTREAM else "tsm0")

    def lock(self, interface: Bdf) -> None:
        """Write ``tsm/lock``, in a confidential guest."""
        interface_files(self._sysfs, self._sysfs.function(interface)).lock(self._name or self._guest_tsm())

    def evidence(self, device: Bdf) -> GivenEvidence:
        """Read the files that the RFCs have for it; ask upstream's kernels over netlink, where they can be asked."""
        tsm = self._files(device)
        if tsm.shape is TsmShape.UPSTREAM and self._sysfs.root == _REAL_ROOT:
            return _evidence_of_netlink(device)
        files: EvidenceFiles = tsm.evidence()
        return GivenEvidence(device, files.certificates, files.measurements, files.report, files.is_text)

    def accept(self, interface: Bdf) -> None:
        """Write ``tsm/accept``, or what the RFCs have instead, in a confidential guest."""
        interface_files(self._sysfs, self._sysfs.function(interface)).accept()

    def stop(self, target: Bdf) -> None:
        """Take an accepted interface's trust back; disconnect a device otherwise."""
        function = self._sysfs.function(target)
        try:
            guest = interface_files(self._sysfs, function)
        except BackendUnavailableError:
            tsm_files(self._sysfs, function).disconnect()
        else:
            guest.stop()

    def _files(self, device: Bdf) -> TsmFiles:
        return tsm_files(self._sysfs, self._sysfs.function(device))

    def _guest_tsm(self) -> str:
        names = [found.name for found in self._sysfs.tsms() if found.pci_mode in {None, "devsec"}]
        return names[0] if names else "tsm0"


def _evidence_of_netlink(device: Bdf) -> GivenEvidence:
    with open_netlink() as netlink:
        found = read_evidence(netlink, device)
    chains = (found[kind] for kind in EvidenceType if kind in found and kind.name.startswith("CERTIFICATES"))
    return GivenEvidence(
        device, next(chains, None), found.get(EvidenceType.MEASUREMENTS), found.get(EvidenceType.REPORT)
    )


class LinuxWitness:
    """What sysfs and the registers of both ports show."""

    def __init__(self, sysfs: Sysfs) -> None:
        self._sysfs = sysfs

    def look(self, device: Bdf) -> Sight:
        """Return what is to be seen of a device's connection.

        Raises:
            BackendUnavailableError: the device is absent, or has no TSM's files.
            BackendPermissionError: the IDE registers are not visible: not root.
        """
        function = self._sysfs.function(device)
        files = tsm_files(self._sysfs, function)
        is_upstream = files.shape is TsmShape.UPSTREAM
        return Sight(
            device,
            files.connected_to(),
            (function.text("authenticated") or None) if is_upstream and function.has("authenticated") else None,
            is_upstream and function.has("authenticated"),
            self._links(function) if is_upstream else None,
            tuple(self._ports(function)),
        )

    def _links(self, function: SysfsFunction) -> tuple[str, ...]:
        found = [link for link in stream_links(function.host_bridge) if link.endpoint == function.bdf]
        return tuple(f"stream{link.host_bridge_slot}.{link.root_port_block}.{link.endpoint_block}" for link in found)

    def _ports(self, function: SysfsFunction) -> Iterator[PortSight]:
        """Yield the device's streams, and their other ends: a root port has streams of other devices, too."""
        with function.open_config() as config:
            own = tuple(enabled_streams(function.bdf, config))
        yield from own
        if function.root_port is not None:
            with self._sysfs.function(function.root_port).open_config() as config:
                theirs = tuple(enabled_streams(function.root_port, config))
            yield from (seen for seen in theirs if seen.stream_id in {mine.stream_id for mine in own})


def enabled_streams(port: Bdf, config: SysfsConfigSpace) -> Iterator[PortSight]:
    """Yield the selective IDE streams that are enabled at a port, as its registers say.

    Raises:
        BackendPermissionError: the extended configuration space is not visible.
    """
    for kind, _, at in extended_capabilities(config):
        if kind == IDE:
            raw = config.dump()[at + _CAPABILITY_HEADER_BYTES :]
            registers, _ = IdeRegisters.parse_prefix(raw)
            for block, stream in enumerate(registers.selective_streams):
                if stream.control.enable:
                    yield PortSight(port, block, stream.control.stream_id, True, stream.status.state)


class LinuxDevice:
    """One device of the host."""

    def __init__(self, sysfs: Sysfs, bdf: Bdf) -> None:
        """Name it; raises BackendUnavailableError if there is none."""
        self.bdf = bdf
        self.function = sysfs.function(bdf)
        self._sysfs = sysfs

    @cached_property
    def config(self) -> ConfigView:
        """Its configuration space by the specification's names: ``config.ide``, ``config.doe``, ``config.tee_io``.

        Registers are read when asked. The file is open as long as this object lives; raises BackendError if it does not
        open.
        """
        space = self.function.open_config()
        finalize(self, space.close)
        return ConfigView(space)

    def connect(self, tsm: str | None = None) -> Sight:
        """Connect the device to a TSM, and look whether both ports are secure; raises as `clients.tsm.connect`."""
        return drive(client.connect(self.bdf), LinuxTsm(self._sysfs, tsm), LinuxWitness(self._sysfs))

    def disconnect(self) -> Sight:
        """Disconnect the device, and look whether it is; raises as `clients.tsm.disconnect`."""
        return drive(client.disconnect(self.bdf), LinuxTsm(self._sysfs), LinuxWitness(self._sysfs))

    def status(self) -> Sight:
        """Return what is to be seen of the connection; raises BackendError where it cannot be seen."""
        return LinuxWitness(self._sysfs).look(self.bdf)

    def evidence(self) -> GivenEvidence:
        """Return what the kernel gives of the device's evidence; raises BackendUnavailableError where it gives none."""
        return LinuxTsm(self._sysfs).evidence(self.bdf)

    def discover(self, *, force: bool = False, limits: Limits | None = None) -> dict[int, tuple[Feature, ...]]:
        """Return what each DOE mailbox takes, by the offset of its capability; raises as `open_mailbox`."""
        with self.function.open_config() as config:
            offsets = [at for kind, _, at in extended_capabilities(config) if kind == DOE]
        found = {}
        for at in offsets:
            with self.open_mailbox(offset=at, force=force, limits=limits) as transport:
                found[at] = transport.driver.discover()
        return found

    def open_mailbox(
        self, *, offset: int | None = None, force: bool = False, limits: Limits | None = None
    ) -> MailboxTransport:
        """Open a DOE mailbox as a transport; raises as `open_mailbox`."""
        return open_mailbox(self._sysfs, self.function, offset=offset, force=force, limits=limits)


class LinuxTdi:
    """One interface, inside the confidential guest that it is for."""

    def __init__(self, sysfs: Sysfs, bdf: Bdf) -> None:
        """Name it; raises BackendUnavailableError if there is none."""
        self.bdf = bdf
        self.function = sysfs.function(bdf)
        self._sysfs = sysfs

    def is_accepted(self) -> bool:
        """Return whether it runs as a trusted interface; raises BackendError."""
        return interface_files(self._sysfs, self.function).is_accepted()

    def lock(self) -> None:
        """Have it locked; raises BackendError."""
        LinuxTsm(self._sysfs).lock(self.bdf)

    def accept(self) -> None:
        """Let it run; raises BackendError. Judge its evidence first: `clients.tsm.accept` does both."""
        LinuxTsm(self._sysfs).accept(self.bdf)

    def stop(self) -> None:
        """Take the trust back; raises BackendError."""
        LinuxTsm(self._sysfs).stop(self.bdf)


class LinuxHost:
    """The machine, through its sysfs."""

    def __init__(self, root: str = "/sys") -> None:
        self.sysfs = Sysfs(root)

    def devices(self) -> tuple[Bdf, ...]:
        """Return the addresses of all PCI functions; raises BackendUnavailableError where there is no PCI."""
        return self.sysfs.functions()

    def device(self, bdf: Bdf | str) -> LinuxDevice:
        """Return a device; raises BackendUnavailableError if there is none."""
        return LinuxDevice(self.sysfs, Bdf.parse(bdf) if isinstance(bdf, str) else bdf)

    def tdi(self, bdf: Bdf | str) -> LinuxTdi:
        """Return an interface; raises BackendUnavailableError if there is none."""
        return LinuxTdi(self.sysfs, Bdf.parse(bdf) if isinstance(bdf, str) else bdf)

    def close(self) -> None:
        """Let go of nothing: files are open only while they are used."""


def open_host(uri: str) -> LinuxHost:
    """Open ``sysfs:``, or ``sysfs:ROOT`` for a tree elsewhere."""
    return LinuxHost(uri.removeprefix(_SCHEME) or "/sys")


def open_doe(uri: str) -> MailboxTransport:
    """Open ``doe:BDF``, ``doe:BDF?root=DIR&offset=0x100&force=1``: a device's DOE mailbox as a transport.

    Raises:
        ValueError: the URI is malformed.
        BackendError: as `pytio.hosts.mailbox.open_mailbox`.
    """
    from urllib.parse import parse_qs  # noqa: PLC0415  costs more than the rest of this module

    address, _, query = uri.partition(":")[2].partition("?")
    options = {name: values[-1] for name, values in parse_qs(query, strict_parsing=bool(query)).items()}
    if unknown := options.keys() - {"root", "offset", "force"}:
        raise ValueError(f"{', '.join(sorted(unknown))} is no option of a doe: URI")
    device = LinuxHost(options.get("root", "/sys")).device(address)
    offset = int(options["offset"], 0) if "offset" in options else None
    return device.open_mailbox(offset=offset, force=options.get("force", "0") != "0")
