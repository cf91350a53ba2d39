"""The port performs each action on its resource, keeps one page for commands, and raises failures into the plan."""

from __future__ import annotations

from typing import get_args

import attrs
import pytest

from pytio.clients.psp import PspClient
from pytio.clients.psp.actions import (
    Action,
    Allocate,
    DoeExchange,
    Free,
    Issue,
    Plan,
    Read,
    RmpUpdate,
    TrustDma,
    Write,
)
from pytio.errors import BackendError
from pytio.hosts.psp_port import _VERBS, PspPort, drive_psp
from pytio.ids import Bdf
from pytio.sev.commands import COMMANDS
from pytio.sev.rmp import RmpEntry
from pytio.sev.tio_codes import SevCommand
from tests.clients.psp.fake import DEVICE, FakeHost


@attrs.define
class Paper:
    """The fake host's memory and configuration space, as the port wants them."""

    host: FakeHost

    def allocate(self, pages: int) -> int:
        return self.host._do_Allocate(Allocate(pages))

    def free(self, paddr: int, pages: int) -> None:
        self.host._do_Free(Free(paddr, pages))

    def rmp_update(self, paddr: int, entry: RmpEntry) -> None:
        self.host._do_RmpUpdate(RmpUpdate(paddr, entry))

    def read(self, paddr: int, size: int) -> bytes:
        return self.host._do_Read(Read(paddr, size))

    def write(self, paddr: int, data: bytes) -> None:
        self.host._do_Write(Write(paddr, data))


@attrs.define
class Config:
    """The fake host's configuration space."""

    host: FakeHost

    def read(self, function: Bdf, offset: int, size: int) -> bytes:
        return self.host.functions[function].space.bus.read(offset, size)

    def write(self, function: Bdf, offset: int, data: bytes) -> None:
        self.host.functions[function].space.bus.write(offset, data)


def port_of(host: FakeHost) -> PspPort:
    def execute(command: int, paddr: int) -> int:
        size = COMMANDS[host.revision][SevCommand(command)].minimum_size()
        return host._do_Issue(Issue(SevCommand(command), host.peek(paddr, size)))

    def exchange(device: Bdf, is_secured: bool, payload: bytes) -> bytes:
        return host._do_DoeExchange(DoeExchange(device, is_secured, payload))

    def trust_dma(function: Bdf, asid: int, is_trusted: bool) -> None:
        host._do_TrustDma(TrustDma(function, asid, is_trusted))

    return PspPort(execute, Paper(host), exchange, Config(host), trust_dma)


def test_every_action_has_a_verb() -> None:
    assert set(_VERBS) == set(get_args(Action))


def test_a_device_comes_and_goes_through_the_port() -> None:
    host = FakeHost()
    port, client = port_of(host), PspClient()
    drive_psp(client.init(), port)
    device = drive_psp(client.connect(host.ports), port)
    assert client.devices == {DEVICE: device}
    drive_psp(client.disconnect(device), port)
    assert len(host.pages) == 1
    port.close()
    port.close()
    assert host.is_clean()


def test_a_failure_is_raised_into_the_plan() -> None:
    port = port_of(FakeHost())

    def fail(command: int, paddr: int) -> int:
        raise BackendError("test", "no firmware")

    port.execute = fail
    seen: list[str] = []

    def plan() -> Plan[int]:
        try:
            yield Issue(SevCommand.TIO_INIT, bytes(16))
        except BackendError as error:
            seen.append(str(error))
        yield TrustDma(DEVICE, 7, is_trusted=True)
        return 5

    assert drive_psp(plan(), port) == 5
    assert seen == ["test: no firmware"]
    with pytest.raises(BackendError, match="no firmware"):
        drive_psp(PspClient().init(), port)
