"""What a function sends of its own accord: DMA and MSI-X messages, as far as registers and TDISP let it.

Documents: PCIe Base 6.x chapter 2 (requests), chapter 11 (what an interface may send in which state). The T bit is not
for the function to choose: it follows from the state of its interface.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import attrs

from pytio import ide
from pytio.errors import LocalProtocolError, RemoteProtocolError
from pytio.mock.device.functions import DeviceFunction
from pytio.mock.device.rules import OUTGOING, Outgoing
from pytio.mock.device.tdi import DeviceTdi
from pytio.mock.transactions import Answer, Transactions
from pytio.tdisp import TdiState

__all__ = ("FunctionRequester",)

_MESSAGE_BYTES: Final = 4


@attrs.define
class FunctionRequester:
    """The requests of one function.

    Attributes:
        function: whose requests they are.
        tdi: its interface.
        transactions: of the port.
        state: says in which state the interface is.
        failed: is called when a request of a running interface fails.
    """

    function: DeviceFunction
    tdi: DeviceTdi
    transactions: Transactions
    state: Callable[[], TdiState]
    failed: Callable[[], object]

    def read(self, address: int, size: int) -> bytes:
        """Read memory of the host.

        Raises:
            LocalProtocolError: the function may not send it now.
            RemoteProtocolError: the request was refused, or nobody answered.
        """
        tee = self._allowed(Outgoing.MEMORY)
        answer = self.transactions.read(self._rid, address, size, tee=tee, on=self._stream(tee=tee))
        if not answer.is_successful:
            if tee:
                self.failed()
            raise RemoteProtocolError(self.state().name, _name(answer), f"DMA of {self.function.bdf} from {address:#x}")
        return answer.data

    def write(self, address: int, data: bytes) -> None:
        """Write memory of the host; whether it got there nobody says.

        Raises:
            LocalProtocolError: the function may not send it now.
        """
        tee = self._allowed(Outgoing.MEMORY)
        self.transactions.write(self._rid, address, data, tee=tee, on=self._stream(tee=tee))

    def interrupt(self, vector: int) -> bool:
        """Send the message of an MSI-X vector; return whether it went: a masked one stays pending.

        Raises:
            LocalProtocolError: the function may not send it now, or has no MSI-X enabled.
            IndexError: there is no such vector.
        """
        region = self.function.msi_x_region
        if region is None or not self.function.is_msi_x_enabled:
            raise LocalProtocolError(self.state().name, f"MSI-X vector {vector}", "MSI-X is not enabled")
        entry = region.entry(vector)
        if entry.is_masked or not self.function.is_msi_x_open:
            region.pending.add(vector)
            return False
        tee = self._allowed(Outgoing.MSI_X if self.tdi.is_msi_x_locked else Outgoing.UNLOCKED_MSI_X)
        region.pending.discard(vector)
        data = entry.data.to_bytes(_MESSAGE_BYTES, "little")
        self.transactions.write(self._rid, entry.address, data, tee=tee, on=self._stream(tee=tee))
        return True

    @property
    def _rid(self) -> int:
        return self.function.bdf.requester_id

    def _stream(self, *, tee: bool) -> int | None:
        """Return the stream: T=1 goes on the bound one and no other; everything else where the registers say."""
        return self.tdi.stream_id if tee else None

    def _allowed(self, sent: Outgoing) -> bool:
        """Return the T bit; raises LocalProtocolError where nothing may be sent."""
        state = self.state()
        if not self.function.is_bus_master:
            raise LocalProtocolError(state.name, sent.value, f"{self.function.bdf} is no bus master")
        tee = OUTGOING.get((state, sent))
        if tee is None:
            raise LocalProtocolError(state.name, sent.value, f"the interface {self.function.bdf} does not run")
        return tee


def _name(answer: Answer) -> str:
    """Say what became of a request."""
    return "no completion" if answer.status is None else ide.CompletionStatus(answer.status).name
