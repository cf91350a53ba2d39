"""DMTF's requester asks us, over every transport and version; and every such conversation replays without it.

PYTIO_SPDM_EMU names the folder with the emulators, PYTIO_SPDM_EMU_PQC one whose OpenSSL has post-quantum algorithms.
With PYTIO_RECORD set, too, live conversations are kept.
"""

from __future__ import annotations

import io
import os
import subprocess
import threading
from pathlib import Path

import pytest

from pytio import tdisp
from pytio.crypto import LibraryProvider, RecordedProvider, RecordingProvider
from pytio.hosts import Server
from pytio.hosts.secrets import secrets_of
from pytio.mock import Endpoint
from pytio.spdm.events import RequestAnswered, SessionEstablished
from pytio.transports import PlatformCommand
from tests.peers.answering import NotedEndpoint, endpoint_of
from tests.peers.asking import skip_without
from tests.peers.combinations import ANSWERING, Combination
from tests.peers.emulators import FOLDERS, TRANSPORTS, folder_for, installed
from tests.peers.recording import SESSIONS, SessionFile, read_session

MOST_BYTES = 64 << 10
ENDS_IN_S = 60


def check(one: Combination, events: list[object]) -> None:
    """See to it that nothing was refused that is not meant to be, and that sessions were what they should be."""
    refused = [event for event in events if isinstance(event, RequestAnswered) and event.error is not None]
    assert [event for event in refused if event.error is not None and event.error.name not in one.refused] == []
    established = sum(isinstance(event, SessionEstablished) for event in events)
    assert established >= one.sessions
    if one.runs_an_interface:
        assert any(isinstance(event, tdisp.StateChanged) and event.after is tdisp.TdiState.RUN for event in events)


def say_out_of_band(endpoint: Endpoint, text: str) -> None:
    """Do what was asked for beside the units."""
    command, _, session = text.partition(" ")
    if command == PlatformCommand.OOB_ENCAP_KEY_UPDATE.name:
        endpoint.ask_for_key_update(int(session, 16))
    elif command == PlatformCommand.OOB_ENCAP_ENDPOINT_INFO.name:
        endpoint.ask_for_endpoint_info()


@pytest.mark.peer
@pytest.mark.parametrize("one", ANSWERING, ids=lambda one: one.name)
def test_live(one: Combination, tmp_path: Path) -> None:
    folder = folder_for(tmp_path, ours=one.signature, is_post_quantum=one.is_post_quantum)
    root = (installed(is_post_quantum=one.is_post_quantum) / FOLDERS[one.req_asym] / "ca.cert.der").read_bytes()
    provider = RecordingProvider(LibraryProvider())
    endpoint = endpoint_of(one, provider, root)
    kept = io.BytesIO()
    session = SessionFile(kept, one.binding, secrets_of(endpoint.spdm))
    noted = NotedEndpoint(endpoint, session.note)
    with Server(noted, stops_when_told=True) as server:
        thread = threading.Thread(target=server.serve, daemon=True)
        thread.start()
        words = ["./spdm_requester_emu", "--ip", "127.0.0.1", "--port", str(server.address[1])]
        words += ["--trans", TRANSPORTS[one.transport], *one.emulator_options, *one.says.split()]
        done = subprocess.run(words, cwd=folder, capture_output=True, check=False, timeout=ENDS_IN_S)
        thread.join(timeout=ENDS_IN_S)
    session.close(provider.recording)
    assert (done.stderr.decode(), done.returncode) == (one.emulator_error, bool(one.emulator_error))
    check(one, noted.events)
    assert len(kept.getvalue()) <= MOST_BYTES
    if os.environ.get("PYTIO_RECORD"):
        (SESSIONS / f"{one.name}.pcapng").write_bytes(kept.getvalue())


@pytest.mark.parametrize("one", ANSWERING, ids=lambda one: one.name)
def test_replayed(one: Combination) -> None:
    skip_without(one)
    said, recording = read_session(SESSIONS / f"{one.name}.pcapng", one.binding)
    provider = RecordedProvider(recording)
    endpoint = endpoint_of(one, provider, None)
    events: list[object] = []
    for each in said:
        if each.is_request:
            say_out_of_band(endpoint, each.out_of_band)
            events += endpoint.receive(each.unit, now=0.0)
        else:
            assert endpoint.bytes_to_send() == each.unit
    assert endpoint.bytes_to_send() is None
    assert provider.remaining == 0
    check(one, events)
