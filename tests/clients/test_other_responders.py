"""The same host on a device whose mailbox leads elsewhere: to pytio's endpoint over a socket, and to DMTF's emulator.

Configuration space, memory and ports are the model's; what the responder says reaches them as the firmware shows it.
PYTIO_SPDM_EMU names the folder with the emulator. What was said then replays without it; with PYTIO_RECORD set, too, it
is kept.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Final

import pytest

from pytio import idekm, tdisp
from pytio.backends.bindings import PCI_DOE
from pytio.backends.socket import SocketAddress, SocketTransport
from pytio.capture import KeyLogEntry
from pytio.crypto import LibraryProvider, Provider, RecordedProvider, RecordingProvider
from pytio.hosts.server import Server
from pytio.ide import StreamState
from pytio.ids import StreamId
from pytio.mock import Endpoint, InterfaceMemory, KeyedPort, MockTdi
from pytio.mock.doe_mailbox import Answer
from pytio.mock.endpoint import is_stream_keyed
from pytio.sev.tio_codes import Revision
from pytio.tdisp import TdiState
from tests.clients.machine import BAR_BYTES, BARS_GPA, PF, PF_BARS, ROOT_PORT, VF, VF_BARS, Machine, identity
from tests.peers.asking import Replayed
from tests.peers.emulators import folder_for, responding
from tests.peers.recording import SESSIONS, Said, SessionFile, read_session

REVISIONS = [Revision.R1, Revision.P2]
EMULATOR: Final = (
    *("--ver", "1.2", "--hash", "SHA_384", "--meas_hash", "SHA_384", "--asym", "ECDSA_P384", "--dhe", "SECP_384_R1"),
    *("--aead", "AES_256_GCM", "--mut_auth", "NO", "--basic_mut_auth", "NO"),
)
"""What the firmware negotiates; the emulator's other answers would not fit it."""


def responder() -> Endpoint:
    """Return SPDM, IDE_KM and TDISP for the virtual function, knowing of no register."""
    port = idekm.Responder({0: KeyedPort(PF)})

    def is_keyed(stream_id: StreamId, session: int) -> bool:
        return is_stream_keyed(port, stream_id, session)

    memory = tuple(InterfaceMemory(VF_BARS[bar], BAR_BYTES[bar], bar=bar) for bar in (0, 4))
    interface = MockTdi(memory, is_stream_keyed=is_keyed)
    return Endpoint(identity(), ide=port, interfaces=tdisp.Responder({VF: interface}))


@contextmanager
def over_a_socket(endpoint: Endpoint) -> Iterator[Answer]:
    """Serve an endpoint in a thread, and yield the way to it."""
    with Server(endpoint) as server:
        thread = Thread(target=server.serve_one)
        thread.start()
        host, port = server.address
        transport = SocketTransport.open(SocketAddress(host, port, PCI_DOE, timeout_s=10))
        try:
            yield through(transport)
        finally:
            transport.close()
            thread.join()


def through(transport: SocketTransport | Replayed, note: Callable[[Said], object] = lambda said: None) -> Answer:
    """Return what answers data objects at the other end of a transport."""

    def answer(unit: bytes) -> bytes:
        note(Said(unit, is_request=True))
        transport.write(unit)
        answered = transport.read()
        note(Said(answered, is_request=False))
        return answered

    return answer


@pytest.mark.parametrize("revision", REVISIONS, ids=lambda revision: revision.name)
def test_the_whole_way_with_an_endpoint_over_a_socket(revision: Revision) -> None:
    endpoint = responder()
    with over_a_socket(endpoint) as answer:
        machine = Machine(revision, answer=answer)
        guest = machine.start()
        guest.trust()
        assert machine.device.state(VF) is TdiState.RUN
        assert endpoint.tdisp is not None
        assert endpoint.tdisp.tdi_state(VF) is TdiState.RUN
        machine.memory.write(BARS_GPA[4], b"\xcd\xab\0\0")
        assert machine.memory.read(BARS_GPA[4], 4) == b"\xcd\xab\0\0"
        assert machine.memory.read(BARS_GPA[4], 4, private=False) == b"\xff" * 4
        machine.run(guest.relay.end())
        assert machine.device.state(VF) is endpoint.tdisp.tdi_state(VF) is TdiState.CONFIG_UNLOCKED
        machine.run(machine.client.destroy(guest.host))
        machine.run(machine.client.disconnect(guest.device))
        assert machine.device.ide.state_of(0) is StreamState.INSECURE
        machine.run(machine.client.shutdown())


# DMTF's emulator hosts one interface, the one that was asked for its version: the physical function is given away


def whole_way(revision: Revision, answer: Answer, provider: Provider, secrets: list[KeyLogEntry]) -> None:
    """Connect, bind, run, use and take back the physical function."""
    machine = Machine(revision, answer=answer, provider=provider)
    machine.psp.on_secret = lambda kind, key, value: secrets.append(KeyLogEntry(kind, key, value))
    device = machine.connect()
    assert machine.device.ide.state_of(0) is StreamState.SECURE
    machine.psp.provider = LibraryProvider()  # what it draws for guests is no part of the conversation
    guest = machine.launch()
    interface = machine.run(machine.client.bind(device, PF, guest, 0x0200))
    if machine.device.state(PF) is TdiState.CONFIG_LOCKED:
        machine.run(interface.run())
    assert machine.device.state(PF) is TdiState.RUN
    root_port = machine.platform.root_ports[ROOT_PORT]
    root_port.mmio_write(PF_BARS[4], b"\xcd\xab\0\0", tee=True)
    assert root_port.mmio_read(PF_BARS[4], 4, tee=True) == b"\xcd\xab\0\0"
    assert root_port.mmio_read(PF_BARS[4], 4) == b"\xff" * 4
    machine.run(interface.unbind())
    assert machine.device.state(PF) is TdiState.CONFIG_UNLOCKED
    machine.run(machine.client.destroy(guest))
    machine.run(machine.client.disconnect(device))
    assert machine.device.ide.state_of(0) is StreamState.INSECURE
    machine.run(machine.client.shutdown())
    assert not machine.client.firmware.pool.lost


def kept_in(revision: Revision) -> Path:
    return SESSIONS / f"host-{revision.name.lower()}.pcapng"


@pytest.mark.peer
@pytest.mark.parametrize("revision", REVISIONS, ids=lambda revision: revision.name)
def test_the_whole_way_with_dmtfs_emulator(revision: Revision, tmp_path: Path) -> None:
    provider, secrets, kept = RecordingProvider(LibraryProvider()), list[KeyLogEntry](), io.BytesIO()
    session = SessionFile(kept, PCI_DOE, lambda: secrets)
    with responding(folder_for(tmp_path), PCI_DOE, *EMULATOR) as port:
        transport = SocketTransport.open(SocketAddress("127.0.0.1", port, PCI_DOE, timeout_s=10))
        whole_way(revision, through(transport, session.note), provider, secrets)
        transport.end(stops_peer=True)
    session.close(provider.recording)
    if os.environ.get("PYTIO_RECORD"):
        kept_in(revision).write_bytes(kept.getvalue())


@pytest.mark.parametrize("revision", REVISIONS, ids=lambda revision: revision.name)
def test_what_was_said_with_dmtfs_emulator_replays(revision: Revision) -> None:
    said, recording = read_session(kept_in(revision), PCI_DOE)
    provider, transport = RecordedProvider(recording), Replayed(PCI_DOE, said)
    whole_way(revision, through(transport), provider, [])
    assert transport.is_over
    assert provider.remaining == 0
