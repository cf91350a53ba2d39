"""The whole workflow on the mocks as one capture; makes the files in tests/sessions, once and for all.

    python -m tests.hosts.workflow_story

The files stay as they are: they hold the formats of our own to what was once written.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

from pytio.hosts.recorder import Recorder
from pytio.sev.tio_codes import Revision
from pytio.tdisp import TdiState
from tests.clients.machine import MEMORY_GPA, PF, ROOT_PORT, VF, Machine
from tests.clients.test_on_mock import end, pcimem

SESSIONS: Final = Path(__file__).parents[1] / "sessions"
FILES: Final = {
    revision: SESSIONS / f"workflow-{revision.value.lower()}.pcapng" for revision in (Revision.R1, Revision.P2)
}
"""What was written once, by revision."""


def told(revision: Revision, path: Path) -> Path:
    """Write all that is said from SNP_INIT_EX to SNP_SHUTDOWN_EX, with MMIO and DMA between; return the file."""
    machine, stream = Machine(revision), io.BytesIO()
    with Recorder(stream) as recorder:
        machine.psp.on_secret = recorder.key_log.add
        recorder.record_host(machine.port, revision)
        recorder.record_link(PF, machine.platform.root_ports[ROOT_PORT].link)
        guest = machine.start()
        recorder.record_guest("one", guest.port, revision)
        guest.trust()
        assert machine.device.state(VF) is TdiState.RUN
        pcimem(machine)
        machine.device.dma_write(VF, MEMORY_GPA, b"from the device")
        machine.run(guest.device.roll_key())
        pcimem(machine)
        guest.run(guest.client.invalidate(guest.interface))
        end(machine, guest)
    path.write_bytes(stream.getvalue())
    return path


if __name__ == "__main__":
    for revision, path in FILES.items():
        if not path.exists():
            told(revision, path)
