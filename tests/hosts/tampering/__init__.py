"""What somebody may tamper with while the workflow is played, each as a function that installs itself on a `Stage`.

Each takes its arguments from a cell of ``data/tampering.json``.
"""

from tests.hosts.tampering import commands, guest, machine, wires
from tests.hosts.tampering.stage import TAMPERINGS, Stage

__all__ = ("TAMPERINGS", "Stage", "commands", "guest", "machine", "wires")
