"""We ask DMTF's responder, over every transport and version; and every such conversation replays without it.

PYTIO_SPDM_EMU names the folder with the emulators, PYTIO_SPDM_EMU_PQC one whose OpenSSL has post-quantum algorithms.
With PYTIO_RECORD set, too, live conversations are kept.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from pytio.backends.socket import SocketAddress, SocketTransport
from pytio.crypto import LibraryProvider, RecordedProvider, RecordingProvider
from pytio.hosts.secrets import secrets_of
from tests.peers.asking import Noted, Replayed, converse, requester_of, skip_without
from tests.peers.combinations import ASKING, Combination
from tests.peers.emulators import FOLDERS, folder_for, installed, responding
from tests.peers.recording import SESSIONS, SessionFile, read_session

MOST_BYTES = 64 << 10
LEARNT = {
    "challenge": "Authenticated",
    "certificate": "CertificateRead",
    "measurements": "Measured",
    "session": "SessionEstablished",
    "psk-session": "SessionEstablished",
    "heartbeat": "HeartbeatAcknowledged",
    "key-update": "KeysUpdated",
    "end-session": "SessionEnded",
    "ide-km": "KeyStateChanged",
    "tdisp": "InterfaceReported",
}
"""What shows that an exchange took place."""


@pytest.mark.peer
@pytest.mark.parametrize("one", ASKING, ids=lambda one: one.name)
def test_live(one: Combination, tmp_path: Path) -> None:
    folder = folder_for(tmp_path, ours_asking=one.req_asym, is_post_quantum=one.is_post_quantum)
    root = (installed(is_post_quantum=one.is_post_quantum) / FOLDERS[one.signature] / "ca.cert.der").read_bytes()
    provider = RecordingProvider(LibraryProvider())
    requester = requester_of(one, provider, root)
    kept = io.BytesIO()
    session = SessionFile(kept, one.binding, secrets_of(requester))
    with responding(folder, one.binding, *one.emulator_options) as port:
        transport = SocketTransport.open(SocketAddress("127.0.0.1", port, one.binding, timeout_s=10))
        learnt = converse(one, requester, Noted(transport, session.note), provider)
        transport.end(stops_peer=True)
    session.close(provider.recording)
    assert {LEARNT[name] for name in one.says.split() if name in LEARNT} <= set(learnt)
    assert len(kept.getvalue()) <= MOST_BYTES
    if os.environ.get("PYTIO_RECORD"):
        (SESSIONS / f"{one.name}.pcapng").write_bytes(kept.getvalue())


@pytest.mark.parametrize("one", ASKING, ids=lambda one: one.name)
def test_replayed(one: Combination) -> None:
    skip_without(one)
    said, recording = read_session(SESSIONS / f"{one.name}.pcapng", one.binding)
    provider = RecordedProvider(recording)
    transport = Replayed(one.binding, said)
    learnt = converse(one, requester_of(one, provider, None), transport, provider)
    assert {LEARNT[name] for name in one.says.split() if name in LEARNT} <= set(learnt)
    assert transport.is_over
    assert provider.remaining == 0
