"""The guest's client: attest an interface, open memory and MMIO to it, and close them again.

Documents: AMD 58271, "Guest messages"; the kernel's guest drivers; SEV-TIO's "Guest: attest, validate, run". The steps
of each verb are `pytio.clients.guest.manner`'s. Nothing of the guest is open to an interface before the policy has
judged it, and what fails is closed again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final

import attrs

from pytio.clients.guest.actions import Operation, OperationReply, Plan
from pytio.clients.guest.attestation import Policy, attestation_of
from pytio.clients.guest.interface import GuestInterface, usable_spans
from pytio.clients.guest.manner import GuestStep, MmioSpan
from pytio.clients.guest.messages import GuestMessages
from pytio.clients.ide_streams import ReadConfig, WriteConfig
from pytio.clients.rollback import Undo, try_all
from pytio.errors import (
    LocalProtocolError,
    RemoteProtocolError,
    SevCommandError,
    SevMessageError,
    VerificationError,
)
from pytio.sev.codes import SevStatus
from pytio.sev.sdte import Sdte
from pytio.sev.tio_codes import (
    EvidenceFlags,
    GuestMessageStatus,
    SevCommand,
    TioOperation,
)
from pytio.tdisp import TdiState

__all__ = ("GuestClient",)

_COMMAND: Final = 0x04
_MEMORY_SPACE_ENABLE: Final = 1 << 1
_BUS_MASTER_ENABLE: Final = 1 << 2
_COMMAND_BYTES: Final = 4
_COMMAND_MASK: Final = 0xFFFF  # the status half is RW1C: zeros leave it alone
_SAME: Final = ("certs_digest", "meas_digest", "interface_report_digest", "lock_flags", "spdm_algos")
"""What of TDI_INFO has to be the same when an interface runs as when it was attested; none of it is a secret."""
_UNBOUND: Final = int(GuestMessageStatus.UNBOUND)
"""The status of an interface that is not bound, which all four messages have under the same number."""


@attrs.frozen
class _Going:
    """What the steps of a verb are told."""

    policy: Policy
    nonce: bytes | None
    undo: Undo


class GuestClient(GuestMessages):
    """A guest's dealings with the firmware about its interfaces: the four messages, and the verbs made of them."""

    def validate(self, interface: GuestInterface, policy: Policy, *, nonce: bytes | None = None) -> Plan[None]:
        """R1 and R2: attest an interface that the host has started, and open memory and MMIO to it.

        Raises:
            LocalProtocolError: the revision has `lock` and `accept` instead.
            VerificationError: evidence does not hash to the firmware's digests, or the interface does not run.
            Exception: whatever the policy raises. In every case what was opened is closed again.
        """
        yield from self._go("validate", self.manner.validate, interface, policy, nonce)

    def lock(self, interface: GuestInterface, policy: Policy, *, nonce: bytes | None = None) -> Plan[None]:
        """From P2 on: have the interface bound, which locks it, and attest it; or have it unbound again.

        Raises:
            LocalProtocolError: the revision has `validate` instead.
            SevCommandError: the host did not bind it.
            VerificationError: evidence does not hash to the firmware's digests.
            Exception: whatever the policy raises.
        """
        yield from self._go("lock", self.manner.lock, interface, policy, nonce)

    def accept(self, interface: GuestInterface) -> Plan[None]:
        """From P2 on: start a locked interface, see that it is what was attested, open memory and MMIO to it.

        Raises:
            LocalProtocolError: it is not locked and attested, or the revision has `validate` instead.
            SevCommandError: the host did not start it.
            VerificationError: it is not what was attested any more.
            PytioError: whatever a step raises. In every case what was opened is closed, and the interface stopped.
        """
        if self.manner.accept and interface.attestation is None:
            raise LocalProtocolError(f"{interface.function} is not attested", "accept", "lock it first")
        yield from self._go("accept", self.manner.accept, interface, _accept_all, None)

    def invalidate(self, interface: GuestInterface) -> Plan[None]:
        """Close everything: MMIO, DMA, and from P2 on stop and unbind. Every step is tried, the first failure raised.

        A firmware that says the interface is not bound any more has closed it (`SEV_A36`).
        """
        going = _Going(_accept_all, None, Undo())
        yield from try_all(
            *(partial(self._STEPS[step], self, interface, going) for step in self.manner.invalidate),
        )
        interface.attestation = None

    unlock = invalidate

    def _go(
        self,
        verb: str,
        steps: tuple[GuestStep, ...],
        interface: GuestInterface,
        policy: Policy,
        nonce: bytes | None,
    ) -> Plan[None]:
        if not steps:
            raise LocalProtocolError(f"revision {self.manner.revision.value}", verb, "it goes another way")
        if interface.is_trusted or (GuestStep.BIND in steps and interface.is_bound):
            raise LocalProtocolError(f"{interface.function} is in use", verb, "invalidate it first")
        going = _Going(policy, nonce, Undo())
        try:
            for step in steps:
                yield from self._STEPS[step](self, interface, going)
        except Exception as error:
            yield from going.undo.unwind(error)
            interface.attestation = None  # it is not locked any more, or nobody knows
            raise

    # the steps

    def _enable_memory(self, interface: GuestInterface, _: _Going) -> Plan[None]:
        yield from _change_command(interface, set_bits=_MEMORY_SPACE_ENABLE)

    def _clear_bus_master(self, interface: GuestInterface, _: _Going) -> Plan[None]:
        yield from _change_command(interface, clear_bits=_BUS_MASTER_ENABLE)

    def _bind(self, interface: GuestInterface, going: _Going) -> Plan[None]:
        going.undo.push(partial(self._unbind, interface, going))
        interface.is_bound = True  # from here on nobody knows: unbinding is right in any case
        interface.tdi_id = yield from _operate(TioOperation.BIND, interface)

    def _run(self, interface: GuestInterface, going: _Going) -> Plan[None]:
        going.undo.push(partial(self._stop, interface, going))
        interface.is_started = True
        yield from _operate(TioOperation.RUN, interface)

    def _stop(self, interface: GuestInterface, _: _Going) -> Plan[None]:
        if interface.is_started:
            yield from _operate(TioOperation.STOP, interface)
            interface.is_started = False

    def _unbind(self, interface: GuestInterface, _: _Going) -> Plan[None]:
        if interface.is_bound:
            yield from _operate(TioOperation.UNBIND, interface)
            interface.is_bound = interface.is_started = False
            interface.attestation = None

    def _attest(self, interface: GuestInterface, going: _Going) -> Plan[None]:
        answer = yield from self.tdi_info(interface, nonce=going.nonce)
        attestation = attestation_of(str(interface.function), answer.info, answer.state, answer.blobs)
        going.policy(attestation)
        interface.attestation = attestation

    def _see_run(self, interface: GuestInterface, _: _Going) -> Plan[None]:
        state = interface.attestation.state if interface.attestation is not None else None
        if state is not TdiState.RUN:
            raise VerificationError(f"that {interface.function} runs: it is {_named(state)}")
        yield from ()

    def _see_same(self, interface: GuestInterface, _: _Going) -> Plan[None]:
        """See that the interface runs, and that nobody has put another one in its place since it was attested."""
        before = interface.attestation
        after = yield from self.tdi_info(interface, EvidenceFlags.STATE)
        if after.state is not TdiState.RUN:
            raise VerificationError(f"that {interface.function} runs: it is {_named(after.state)}")
        for name in _SAME:
            if before is None or getattr(before.info, name) != getattr(after.info, name):
                raise VerificationError(f"that {interface.function} is what was attested: its {name} has changed")

    def _open_dma(self, interface: GuestInterface, going: _Going) -> Plan[None]:
        going.undo.push(partial(self._close_dma, interface, going))
        interface.is_dma_open = True
        yield from self.sdte_write(interface, Sdte.for_guest(self.manner.vtom))

    def _close_dma(self, interface: GuestInterface, _: _Going) -> Plan[None]:
        if interface.is_dma_open:
            yield from _unless_unbound(self.sdte_write(interface, Sdte()))
            interface.is_dma_open = False

    def _validate_mmio(self, interface: GuestInterface, going: _Going) -> Plan[None]:
        assert interface.attestation is not None
        going.undo.push(partial(self._invalidate_mmio, interface, going))
        for span in usable_spans(interface.attestation.interface_report, interface.bars):
            interface.validated.append(span)
            yield from self.mmio_validate(interface, span)

    def _invalidate_mmio(self, interface: GuestInterface, _: _Going) -> Plan[None]:
        yield from try_all(*(partial(self._invalidate_span, interface, span) for span in tuple(interface.validated)))

    def _invalidate_span(self, interface: GuestInterface, span: MmioSpan) -> Plan[None]:
        yield from _unless_unbound(self.mmio_validate(interface, span, is_validated=False, is_forced=True))
        interface.validated.remove(span)

    _STEPS: Final[Mapping[GuestStep, Callable[[GuestClient, GuestInterface, _Going], Plan[None]]]] = MappingProxyType(
        {
            GuestStep.ENABLE_MEMORY: _enable_memory,
            GuestStep.BIND: _bind,
            GuestStep.RUN: _run,
            GuestStep.STOP: _stop,
            GuestStep.UNBIND: _unbind,
            GuestStep.ATTEST: _attest,
            GuestStep.SEE_RUN: _see_run,
            GuestStep.SEE_SAME: _see_same,
            GuestStep.OPEN_DMA: _open_dma,
            GuestStep.CLOSE_DMA: _close_dma,
            GuestStep.VALIDATE_MMIO: _validate_mmio,
            GuestStep.INVALIDATE_MMIO: _invalidate_mmio,
            GuestStep.CLEAR_BUS_MASTER: _clear_bus_master,
        }
    )


def _named(state: TdiState | None) -> str:
    return "unavailable" if state is None else state.name


def _accept_all(_: object) -> None:
    """Judge nothing: the steps that use it do not attest."""


def _operate(action: TioOperation, interface: GuestInterface) -> Plan[int]:
    """Ask the hypervisor for an operation, and return RCX.

    Raises:
        SevCommandError: the firmware refused.
        RemoteProtocolError: the hypervisor failed.
    """
    reply: OperationReply = yield Operation(action, interface.guest_rid)
    if reply.result.vmm_err:
        got = f"hypervisor error {reply.result.vmm_err.name}"
        raise RemoteProtocolError(f"TIO_OP {action.name}", got, str(interface.function))
    if reply.result.fw_err != SevStatus.SUCCESS:
        raise SevCommandError(_COMMANDS[action], reply.result.fw_err, f"TIO_OP {action.name} of {interface.function}")
    return reply.tdi_id


_COMMANDS: Final = MappingProxyType(
    {
        TioOperation.BIND: SevCommand.TIO_TDI_BIND,
        TioOperation.RUN: SevCommand.TIO_TDI_BIND,
        TioOperation.STOP: SevCommand.TIO_TDI_UNBIND,
        TioOperation.UNBIND: SevCommand.TIO_TDI_UNBIND,
    }
)


def _unless_unbound(plan: Plan[Any]) -> Plan[None]:
    """Close something; an interface that is not bound any more has nothing open (`SEV_A36`)."""
    try:
        yield from plan
    except SevMessageError as error:
        if error.status != _UNBOUND:
            raise


def _change_command(interface: GuestInterface, *, set_bits: int = 0, clear_bits: int = 0) -> Plan[None]:
    """Change the command register, in one write that leaves every other bit as it is."""
    raw = yield ReadConfig(interface.function, _COMMAND)
    command = int.from_bytes(raw, "little") & _COMMAND_MASK
    wanted = command & ~clear_bits | set_bits
    if wanted != command:
        yield WriteConfig(interface.function, _COMMAND, wanted.to_bytes(_COMMAND_BYTES, "little"))
