"""The administrator: connects a device to the platform's TSM, accepts its interfaces, and believes only what it sees.

Document: PCIe Base 6.x chapter 11 for the roles. `Tsm` is what any platform's security manager can be asked; it names
nothing of one vendor. A TSM may be wrong about itself, so after each change a `Witness` is asked what the machine
shows: the registers of both ports, the kernel's links. A connect is not a success until both ports say secure.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Final, Protocol, TypeAlias, TypeVar

import attrs

from pytio.clients.rollback import roll_back
from pytio.errors import LocalProtocolError, PytioError, VerificationError
from pytio.ids import Bdf

__all__ = (
    "Accept",
    "Action",
    "CollectEvidence",
    "Connect",
    "GivenEvidence",
    "Lock",
    "Look",
    "Outcome",
    "Plan",
    "PortSight",
    "Sight",
    "Stop",
    "Tsm",
    "Witness",
    "accept",
    "connect",
    "disconnect",
)

T = TypeVar("T")
_SECURE: Final = 2
_PORTS: Final = 2


@attrs.frozen
class GivenEvidence:
    """What a TSM gives of a device's evidence, as it gives it; None for what it does not have.

    Attributes:
        device: whose.
        certificates: the certificate chain of the slot in use.
        measurements: the measurement record.
        report: the TDISP interface report.
        is_text: whether these are texts for people instead of the objects themselves.
    """

    device: Bdf
    certificates: bytes | None = attrs.field(default=None, repr=False)
    measurements: bytes | None = attrs.field(default=None, repr=False)
    report: bytes | None = attrs.field(default=None, repr=False)
    is_text: bool = False


@attrs.frozen
class PortSight:
    """One selective IDE stream at one port, as its registers say.

    Attributes:
        port: the function that has the registers.
        block: index of the stream's register block.
        stream_id: what the control register says.
        is_enabled: what the control register says.
        state: 0 insecure, 2 secure.
    """

    port: Bdf
    block: int
    stream_id: int
    is_enabled: bool
    state: int

    @property
    def is_secure(self) -> bool:
        """Whether the stream is enabled and secure."""
        return self.is_enabled and self.state == _SECURE

    def __str__(self) -> str:
        """Return what is wrong with it, or that nothing is."""
        status = "secure" if self.is_secure else f"enable={int(self.is_enabled)} state={self.state}"
        return f"{self.port} selective[{self.block}] stream {self.stream_id}: {status}"


@attrs.frozen
class Sight:
    """What the machine shows of a device's connection.

    Attributes:
        device: whose.
        connected_to: the TSM that it says it is connected to, None if it is not.
        authenticated_by: what the kernel says beside that; None where it says nothing.
        has_authenticated: whether this kernel says it at all.
        links: the kernel's stream links that end at the device; None where this kernel makes none.
        ports: the selective streams that are enabled at the device, and those of the same ids at its root port.
    """

    device: Bdf
    connected_to: str | None = None
    authenticated_by: str | None = None
    has_authenticated: bool = False
    links: tuple[str, ...] | None = None
    ports: tuple[PortSight, ...] = ()

    def problems(self) -> tuple[str, ...]:
        """Return why this is not a secure connection; nothing if it is one."""
        return tuple(self._problems())

    def _problems(self) -> Iterator[str]:
        if self.connected_to is None:
            yield "the device is not connected"
            return
        if self.has_authenticated and self.authenticated_by != self.connected_to:
            yield f"connected to {self.connected_to}, but authenticated by {self.authenticated_by or 'nobody'}"
        if self.links == ():
            yield "the kernel has registered no IDE stream"
        yield from (str(seen) for seen in self.ports if not seen.is_secure)
        if len({seen.port for seen in self.ports}) < _PORTS:
            yield "an IDE stream is not enabled on both ports"


class Tsm(Protocol):
    """A platform's security manager: five verbs, whatever the vendor.

    A verb that a platform lacks raises BackendUnavailableError, which names the interface that has it; other failures
    are BackendError. A verb that returns is no proof that anything changed: that is the witness's to say.
    """

    def connect(self, device: Bdf) -> None:
        """Make SPDM session, keys and IDE streams for a device."""

    def lock(self, interface: Bdf) -> None:
        """Have an interface locked."""

    def evidence(self, device: Bdf) -> GivenEvidence:
        """Collect what there is of a device's evidence."""

    def accept(self, interface: Bdf) -> None:
        """Let a locked interface run as a trusted one."""

    def stop(self, target: Bdf) -> None:
        """Take the trust back: from an interface that was accepted, else disconnect the device."""


class Witness(Protocol):
    """What can be seen of the machine without believing the TSM."""

    def look(self, device: Bdf) -> Sight:
        """Return what is to be seen of a device's connection; raises BackendError where it cannot be seen."""


@attrs.frozen
class Connect:
    """Ask the TSM to connect a device."""

    device: Bdf


@attrs.frozen
class Lock:
    """Ask the TSM to have an interface locked."""

    interface: Bdf


@attrs.frozen
class CollectEvidence:
    """Ask the TSM for evidence; the outcome is `GivenEvidence`."""

    device: Bdf


@attrs.frozen
class Accept:
    """Ask the TSM to let an interface run."""

    interface: Bdf


@attrs.frozen
class Stop:
    """Ask the TSM to take the trust back."""

    target: Bdf


@attrs.frozen
class Look:
    """Ask the witness; the outcome is a `Sight`."""

    device: Bdf


Action: TypeAlias = Connect | Lock | CollectEvidence | Accept | Stop | Look
"""What a plan asks for."""
Outcome: TypeAlias = GivenEvidence | Sight | None
"""What came of it; a failure is raised into the plan."""
Plan: TypeAlias = Generator[Action, Outcome, T]
"""Actions out, outcomes in, a result at the end."""


def connect(device: Bdf) -> Plan[Sight]:
    """Connect a device, and look whether it is.

    Raises:
        LocalProtocolError: it is connected already; nothing was done.
        VerificationError: the TSM said yes, but the machine shows no secure connection; it was disconnected again.
        BackendError: the TSM refused, or the machine could not be looked at.
    """
    before = yield from _look(device)
    if before.connected_to is not None:
        raise LocalProtocolError(f"connected to {before.connected_to}", f"connect {device}", "disconnect it first")
    yield Connect(device)
    try:
        after = yield from _look(device)
        if problems := after.problems():
            raise VerificationError(f"the connection of {device} ({'; '.join(problems)})", problems)
    except PytioError as error:
        yield from roll_back(error, _stop(device))
        raise
    return after


def disconnect(device: Bdf) -> Plan[Sight]:
    """Disconnect a device, and look whether it is.

    Raises:
        VerificationError: the TSM said yes, but the device still shows a connection or a secure stream.
        BackendError: the TSM refused, or the machine could not be looked at.
    """
    yield Stop(device)
    after = yield from _look(device)
    left = [str(seen) for seen in after.ports if seen.is_secure]
    if after.connected_to is not None:
        left.append(f"connected to {after.connected_to}")
    left += after.links or ()
    if left:
        raise VerificationError(f"the end of the connection of {device} ({'; '.join(left)})", tuple(left))
    return after


def accept(interface: Bdf, policy: Callable[[GivenEvidence], None], *, lock_first: bool = True) -> Plan[GivenEvidence]:
    """Lock an interface, let ``policy`` judge the evidence, and accept it; or stop it again.

    Args:
        interface: which.
        policy: raises where the evidence is not good enough.
        lock_first: False where the host's bind has locked it, as in the SEV-TIO RFCs.

    Raises:
        BackendError: the TSM refused.
        Exception: whatever the policy raises; the interface was stopped.
    """
    if lock_first:
        yield Lock(interface)
    try:
        evidence = yield CollectEvidence(interface)
        assert isinstance(evidence, GivenEvidence)
        policy(evidence)
        yield Accept(interface)
    except Exception as error:
        yield from roll_back(error, _stop(interface))
        raise
    return evidence


def _look(device: Bdf) -> Plan[Sight]:
    sight = yield Look(device)
    assert isinstance(sight, Sight)
    return sight


def _stop(target: Bdf) -> Plan[None]:
    yield Stop(target)
