"""Gathers what `pytio.clients.doctor` judges: from a live host, a copy of its sysfs, or a dump; and the kernel log."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from pytio.backends.sysfs import Sysfs, SysfsFunction, available_secure_streams, tsm_files
from pytio.clients.doctor import Facts, FunctionFacts
from pytio.errors import BackendError, PciDecodeError
from pytio.ids import Bdf
from pytio.pci import CapabilityId, decode
from pytio.pci.codes import DevicePortType
from pytio.pci.header import Type1Header

__all__ = ("facts_of_dump", "facts_of_sysfs", "kernel_log")

_SNP_PARAMETER: Final = Path("module/kvm_amd/parameters/sev_snp")


def facts_of_sysfs(sysfs: Sysfs, wanted: tuple[Bdf, ...] = (), log: str | None = None) -> Facts:
    """Gather what a sysfs tree shows; what cannot be read is not known.

    Raises:
        BackendUnavailableError: there is no PCI, or a wanted function is absent.
    """
    for bdf in wanted:
        sysfs.function(bdf)
    parameter = sysfs.root / _SNP_PARAMETER
    lockdown = sysfs.lockdown()
    return Facts(
        functions=tuple(_function(sysfs, sysfs.function(bdf)) for bdf in sysfs.functions()),
        wanted=wanted,
        tsms=tuple(found.name for found in sysfs.tsms()),
        has_tsm_class=(sysfs.root / "class/tsm").is_dir(),
        is_locked_down=lockdown.is_active,
        snp_parameter=parameter.read_text().strip() if parameter.exists() else None,
        log=log,
    )


def _function(sysfs: Sysfs, function: SysfsFunction) -> FunctionFacts:
    try:
        files = tsm_files(sysfs, function)
        connected_to, has_tsm_files = files.connected_to(), True
    except BackendError:
        connected_to, has_tsm_files = None, False
    with function.open_config() as config:
        data = config.dump()
    return FunctionFacts(
        bdf=function.bdf,
        config=data,
        root_port=function.root_port,
        is_virtual=function.physical_function is not None,
        has_tsm_files=has_tsm_files,
        connected_to=connected_to,
        doe_features=function.doe_features,
        streams_left=available_secure_streams(function.host_bridge),
        power_state=function.text("power_state") if function.has("power_state") else None,
    )


def facts_of_dump(dump: Iterable[tuple[Bdf, bytes]], wanted: tuple[Bdf, ...] = (), log: str | None = None) -> Facts:
    """Gather what a dump of configuration space shows; of the kernel it shows nothing."""
    functions = list(dump)
    ports = [found for bdf, data in functions if (found := _port(bdf, data)) is not None]
    return Facts(
        functions=tuple(FunctionFacts(bdf, data, root_port=_root_port(bdf, ports)) for bdf, data in functions),
        wanted=wanted,
        log=log,
    )


def _port(bdf: Bdf, data: bytes) -> tuple[Bdf, range] | None:
    """Return a root port and the buses below it."""
    try:
        function = decode(data)
    except PciDecodeError:
        return None
    express = function.find(CapabilityId.PCI_EXPRESS)
    header = function.header
    is_root_port = getattr(express, "device_port_type", None) is DevicePortType.ROOT_PORT
    if not is_root_port or not isinstance(header, Type1Header):
        return None
    return bdf, range(header.secondary_bus_number, header.subordinate_bus_number + 1)


def _root_port(bdf: Bdf, ports: list[tuple[Bdf, range]]) -> Bdf | None:
    return next((port for port, buses in ports if port.segment == bdf.segment and bdf.bus in buses), None)


def kernel_log() -> str | None:
    """Return the running kernel's log, None where it may not be read."""
    dmesg = shutil.which("dmesg")
    if dmesg is None or os.geteuid() != 0:
        return None
    done = subprocess.run([dmesg], capture_output=True, text=True, errors="replace", check=False)  # noqa: S603
    return done.stdout if done.returncode == 0 else None
