"""A machine with SEV-TIO that is all model: platform, PSP, and a device below a root port, wired to one another.

What the parts do is in `pytio.mock`; this file is the wires, and the one place where what goes over them can be
recorded: data objects of the mailbox, commands of the PSP, TLPs of the link.
"""

from __future__ import annotations

import time
from typing import Final

import attrs

from pytio.crypto import Provider, Secret
from pytio.doe import DataObject, DataObjectType
from pytio.errors import BackendUnavailableError
from pytio.hosts.capabilities import DOE, extended_capabilities
from pytio.hosts.mailbox import MailboxDriver
from pytio.hosts.psp_port import PspPort
from pytio.hosts.recorder import Execute, Recorder
from pytio.ids import Bdf
from pytio.mock.device import Device, DeviceConfig
from pytio.mock.doe_mailbox import Answer
from pytio.mock.link import LinkDirection
from pytio.mock.platform import EXAMPLE_ROOT_PORT, DeviceTableEntry, Platform
from pytio.mock.psp import Psp, PspConfig
from pytio.sev.tio_codes import Revision

__all__ = ("FunctionSpace", "Machine")

_EXTENDED_BYTES: Final = 4096


class FunctionSpace:
    """One function's configuration space, as the host's CPU reaches it."""

    visible_bytes: Final = _EXTENDED_BYTES

    def __init__(self, platform: Platform, function: Bdf) -> None:
        """Name it; whether there is such a function shows when it is read."""
        self._platform = platform
        self._function = function

    def read(self, offset: int, size: int, /) -> bytes:
        """Return 1, 2 or 4 aligned bytes; all ones where nobody answers."""
        return self._platform.config_read(self._function, offset, size)

    def write(self, offset: int, data: bytes, /) -> None:
        """Write 1, 2 or 4 aligned bytes."""
        self._platform.config_write(self._function, offset, data)


class _Config:
    """Every configuration space, as the client's plans access them."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def read(self, function: Bdf, offset: int, size: int) -> bytes:
        return self._platform.config_read(function, offset, size)

    def write(self, function: Bdf, offset: int, data: bytes) -> None:
        self._platform.config_write(function, offset, data)


class Machine:
    """The hardware of a model host.

    Attributes:
        platform: memory, RMP, IOMMU, the root port.
        psp: the firmware.
        device: the device, whose physical function is ``device.bdf``.
        port: the way of the host's client to all of it.
        recorder: what takes down what goes over the wires; None where nothing does.
    """

    def __init__(
        self,
        *,
        revision: Revision = Revision.P2,
        strict: bool = True,
        device: DeviceConfig | None = None,
        answer: Answer | None = None,
        psp: PspConfig | None = None,
        provider: Provider | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        """Wire a machine; nothing is initialized.

        Args:
            revision: of SEV-TIO, which the firmware speaks.
            strict: whether the firmware refuses reserved bits that are set.
            device: what the device is.
            answer: somebody else's responder behind the device's mailbox.
            psp: what the firmware has room for, and how it talks.
            provider: the source of all keys and nonces.
            recorder: takes down what goes over the wires, and every secret that opens it.
        """
        self.recorder = recorder
        self.platform = Platform(provider=provider)
        self.root_port = self.platform.root_ports[EXAMPLE_ROOT_PORT.bdf]
        self.device = Device(device, provider=provider, answer=answer)
        self.device.attach(self.root_port.link)
        self.psp = Psp(
            self.platform,
            revision=revision,
            strict=strict,
            config=psp,
            provider=provider,
            on_secret=self._note_secret,
        )
        execute: Execute = self.psp.execute
        if recorder is not None:
            execute = recorder.around_psp(execute, self.platform.memory.read, revision)
            self.root_port.link.taps.append(self._note_tlp)
        self.port = PspPort(
            execute=execute,
            memory=self.platform.host,
            exchange=self._exchange,
            config=_Config(self.platform),
            trust_dma=self._trust_dma,
        )

    def space(self, function: Bdf) -> FunctionSpace:
        """Return a function's configuration space."""
        return FunctionSpace(self.platform, function)

    def mailbox(self, function: Bdf) -> MailboxDriver:
        """Return what drives the function's DOE mailbox; raises BackendUnavailableError for one without."""
        space = self.space(function)
        for kind, version, at in extended_capabilities(space):
            if kind == DOE:
                return MailboxDriver(space, at, capability_version=version, clock=time.monotonic)
        raise BackendUnavailableError(str(function), "it has no DOE mailbox")

    def _exchange(self, function: Bdf, is_secured: bool, payload: bytes) -> bytes:
        kind = DataObjectType.SECURED_CMA_SPDM if is_secured else DataObjectType.CMA_SPDM
        request = DataObject.wrap(kind, payload)
        self._note_object(function, request)
        response = self.mailbox(function).exchange(request)
        self._note_object(function, response)
        return response.payload

    def _trust_dma(self, function: Bdf, asid: int, is_trusted: bool) -> None:
        """Say in a function's device table entry whether its domain is for secure entries."""
        entry = self.platform.iommu.dte(function.requester_id) or DeviceTableEntry(domain_id=asid)
        self.platform.iommu.set_dte(function.requester_id, attrs.evolve(entry, is_trusted=is_trusted))

    def _note_secret(self, kind: str, key: str, secret: Secret) -> None:
        if self.recorder is not None:
            self.recorder.key_log.add(kind, key, secret)

    def _note_object(self, function: Bdf, data: DataObject) -> None:
        if self.recorder is not None:
            self.recorder.add_doe(function, data.build())

    def _note_tlp(self, direction: LinkDirection, raw: bytes) -> None:
        if self.recorder is not None:
            self.recorder.add_tlp(self.device.bdf, direction.value, raw)
