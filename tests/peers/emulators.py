"""DMTF's emulators as processes: the folder with them comes from the environment, and each run gets a copy of it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from pytio.backends.bindings import Binding
from pytio.crypto import ChainRole
from tests.peers.identities import identity

__all__ = ("FOLDERS", "TRANSPORTS", "folder_for", "free_port", "installed", "listening", "responding")

VARIABLE: Final = "PYTIO_SPDM_EMU"
QUANTUM_VARIABLE: Final = "PYTIO_SPDM_EMU_PQC"
"""For emulators that were built with OpenSSL 3.5 or newer, which has ML-DSA and ML-KEM."""
TRANSPORTS: Final = {"mctp": "MCTP", "pci-doe": "PCI_DOE", "tcp": "TCP", "none": "NONE"}
FOLDERS: Final = {
    **{f"ECDSA_P{size}": f"ecp{size}" for size in (256, 384, 521)},
    **{f"{scheme}_{size}": f"rsa{size}" for scheme in ("RSASSA", "RSAPSS") for size in (2048, 3072, 4096)},
    "ED25519": "ed25519",
    **{f"ML_DSA_{size}": f"mldsa{size}" for size in (44, 65, 87)},
}
"""Their folders of keys and certificates, by signature algorithm."""
_PROGRAMS: Final = ("spdm_requester_emu", "spdm_responder_emu")
_STARTS_IN_S: Final = 10.0


def installed(*, is_post_quantum: bool = False) -> Path:
    """Return the folder with the emulators; skip the test, saying so, where there is none."""
    variable = QUANTUM_VARIABLE if is_post_quantum else VARIABLE
    folder = os.environ.get(variable)
    if not folder:
        pytest.skip(f"{variable} names no folder with DMTF's emulators")
    missing = [name for name in _PROGRAMS if not (Path(folder) / name).exists()]
    assert not missing, f"{folder} lacks {missing}"
    return Path(folder)


def folder_for(
    where: Path, *, ours: str | None = None, ours_asking: str | None = None, is_post_quantum: bool = False
) -> Path:
    """Return a copy of what the emulators need, in which they trust our roots: as responder, as requester.

    Both roots of an algorithm are in files of one name, so an algorithm is for one of our roles at a time.
    """
    source = installed(is_post_quantum=is_post_quantum)
    folder = where / "emulators"
    folder.mkdir()
    for name in sorted({*FOLDERS.values()}):
        shutil.copytree(source / name, folder / name)
    for name in ("test_csr", *_PROGRAMS):
        if (source / name).is_dir():
            shutil.copytree(source / name, folder / name)
        else:
            (folder / name).symlink_to(source / name)
    if ours is not None:  # what their requester installs
        chain = b"".join(identity(ours).certificates)
        for name in ("", "1", "4"):
            (folder / FOLDERS[ours] / f"bundle_responder.certchain{name}.der").write_bytes(chain)
    for algorithm, role in ((ours, ChainRole.RESPONDER), (ours_asking, ChainRole.REQUESTER)):
        if algorithm is not None:
            (folder / FOLDERS[algorithm] / "ca.cert.der").write_bytes(identity(algorithm, role).root)
    return folder


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@contextmanager
def responding(folder: Path, binding: Binding, *options: str) -> Iterator[int]:
    """Run their responder until the block ends; yield its port."""
    port = free_port()
    words = ["./spdm_responder_emu", "--ip", "127.0.0.1", "--port", str(port), "--trans", TRANSPORTS[binding.name]]
    with (folder / "responder.log").open("wb") as log:
        process = subprocess.Popen([*words, *options], cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait_for(port, process)
            yield port
            assert process.wait(timeout=_STARTS_IN_S) == 0
        finally:
            process.kill()
            process.wait()


def listening(port: int) -> bool:
    """Say whether somebody listens there."""
    line = f":{port:04X} 00000000:0000 0A"  # the kernel's table: local port, no peer, state LISTEN
    return line in Path("/proc/net/tcp").read_text()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until their responder listens; it takes one connection, so trying one is out of the question."""
    until = time.monotonic() + _STARTS_IN_S
    while not listening(port):
        assert process.poll() is None, "the emulator ended at once"
        assert time.monotonic() < until, "the emulator does not listen"
        time.sleep(0.02)
