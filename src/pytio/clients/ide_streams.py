"""Setting up a selective IDE stream between a root port and an endpoint, register by register, as a plan.

Documents: PCIe Base 6.x, "IDE Extended Capability"; the order is the Linux kernel's, with AMD's ranges and flags by
default. A plan yields accesses to the configuration space of either port and is sent what was read; keys are somebody
else's plan, run between set-up and enable. A stream is not established until both status registers say secure; whatever
fails before that is rolled back, and the failure raised; where rolling back fails, too, the error has a note of it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar

import attrs

from pytio.clients.rollback import roll_back, try_all
from pytio.errors import LocalProtocolError, PytioError, VerificationError
from pytio.ide_registers import (
    AddressAssociation,
    IdeCapability,
    IdeStreamState,
    IdeStreamStatus,
    LinkIdeStream,
    RidAssociation,
    SelectiveIdeStreamControl,
)
from pytio.ids import Bdf, StreamId

__all__ = (
    "Access",
    "AddressRange",
    "IdePort",
    "Plan",
    "ReadConfig",
    "RidRange",
    "SelectiveBlock",
    "Stream",
    "StreamPolicy",
    "StreamSlots",
    "WriteConfig",
    "disable",
    "enable",
    "establish",
    "establish_between",
    "program",
    "reserve",
    "see_secure",
    "set_up",
    "survey",
    "switch_on",
    "tear_down",
)

T = TypeVar("T")

_DW_BYTES: Final = 4
_CAPABILITY: Final = 0x04
_FIRST_BLOCK: Final = 0x0C
_CONTROL: Final = 0x04
_STATUS: Final = 0x08
_RID_ASSOCIATION: Final = 0x0C
_ADDRESS_ASSOCIATIONS: Final = 0x14
_ADDRESS_BYTES: Final = 12
_ASSOCIATIONS_MASK: Final = 0xF
_LAST_RID: Final = 0xFFFF
_SLOTS: Final = 256


@attrs.frozen
class ReadConfig:
    """Read a double word of a function's configuration space; the outcome is its 4 bytes."""

    function: Bdf
    offset: int


@attrs.frozen
class WriteConfig:
    """Write a double word of a function's configuration space; the outcome is empty."""

    function: Bdf
    offset: int
    data: bytes


Access: TypeAlias = ReadConfig | WriteConfig
"""What a plan asks to be done next."""
Plan: TypeAlias = Generator[Access, bytes, T]
"""Accesses out, what was read in, a result at the end."""


@attrs.frozen
class RidRange:
    """Requester ids, both inclusive."""

    first: int = 0
    last: int = _LAST_RID


@attrs.frozen
class AddressRange:
    """Addresses, both inclusive, in whole megabytes."""

    first: int
    last: int


@attrs.frozen
class SelectiveBlock:
    """A selective IDE stream register block of a port, as the survey found it."""

    index: int
    offset: int
    """Of the block, in configuration space."""
    associations: int
    """How many address association blocks it has."""
    control: SelectiveIdeStreamControl
    """As it was."""


@attrs.frozen
class IdePort:
    """The IDE capability of a port, as the survey found it."""

    function: Bdf
    capability: IdeCapability
    blocks: tuple[SelectiveBlock, ...]

    def free_block(self) -> SelectiveBlock:
        """Return the block of the lowest index that is not enabled.

        Raises:
            LocalProtocolError: all are in use.
        """
        for block in self.blocks:
            if not block.control.enable:
                return block
        raise LocalProtocolError(f"{self.function}: {len(self.blocks)} streams in use", "set_up", "no block is free")


class StreamSlots:
    """The streams that a host bridge has room for; the platform may have fewer than 256."""

    def __init__(self, count: int = _SLOTS, used: Iterable[int] = ()) -> None:
        """Make ``count`` slots, some of them ``used``."""
        self._free = set(range(count)) - set(used)

    def take(self) -> int:
        """Return the lowest free slot, and take it.

        Raises:
            LocalProtocolError: none is free.
        """
        if not self._free:
            raise LocalProtocolError("no stream slot is free", "set_up", "tear a stream of this host bridge down")
        slot = min(self._free)
        self._free.remove(slot)
        return slot

    def release(self, slot: int) -> None:
        """Give a slot back."""
        self._free.add(slot)

    def __len__(self) -> int:
        """Return how many are free."""
        return len(self._free)


@attrs.frozen
class StreamPolicy:
    """What a platform puts into the registers; the defaults are AMD's.

    Attributes:
        root_port_rids: the requester ids of the endpoint's side, in the root port's block.
        endpoint_rids: the requester ids of the root port's side, in the endpoint's block.
        root_port_addresses: the addresses behind the root port; the endpoint has none.
        default_stream: whether the endpoint takes it for traffic without an association.
        tee_limited: whether the endpoint keeps it for TEE traffic, where it can.
        configuration_requests: whether the root port sends configuration requests through it, where it can.
        is_endpoint_first: whether the endpoint is enabled first, as Intel does; AMD's host enables the root port first.
    """

    root_port_rids: RidRange = RidRange()
    endpoint_rids: RidRange = RidRange()
    root_port_addresses: tuple[AddressRange, ...] = ()
    default_stream: bool = True
    tee_limited: bool = True
    configuration_requests: bool = True
    is_endpoint_first: bool = False

    @classmethod
    def exact(cls, root_port: Bdf, endpoint: Bdf, last_vf: Bdf | None = None, **others: Any) -> StreamPolicy:
        """Return the ranges that the kernel's allocation makes: the root port alone, and the endpoint with its VFs."""
        last = (last_vf or endpoint).requester_id
        return cls(
            root_port_rids=RidRange(endpoint.requester_id, last),
            endpoint_rids=RidRange(root_port.requester_id, root_port.requester_id),
            **others,
        )


@attrs.frozen
class Stream:
    """A stream, and where its registers are."""

    stream_id: StreamId
    slot: int
    root_port: IdePort
    root_port_block: SelectiveBlock
    endpoint: IdePort
    endpoint_block: SelectiveBlock
    policy: StreamPolicy

    @property
    def name(self) -> str:
        """The name that the kernel gives it in sysfs: slot, root port's and endpoint's block."""
        return f"stream{self.slot}.{self.root_port_block.index}.{self.endpoint_block.index}"

    def sides(self) -> Iterator[tuple[IdePort, SelectiveBlock]]:
        """Yield port and block of both sides, the root port first."""
        yield self.root_port, self.root_port_block
        yield self.endpoint, self.endpoint_block

    def control(self, port: IdePort, *, is_enabled: bool) -> SelectiveIdeStreamControl:
        """Return the value of a side's control register."""
        is_endpoint = port is self.endpoint
        capability = port.capability
        return SelectiveIdeStreamControl(
            enable=is_enabled,
            default_stream=is_endpoint and self.policy.default_stream,
            tee_limited_stream=is_endpoint and self.policy.tee_limited and capability.tee_limited_stream_supported,
            selective_ide_for_configuration_requests_enable=not is_endpoint
            and self.policy.configuration_requests
            and capability.selective_ide_for_configuration_requests_supported,
            stream_id=self.stream_id,
        )


def survey(function: Bdf, capability_offset: int) -> Plan[IdePort]:
    """Read what a port's IDE capability has, block by block, since each says how long it is.

    Raises:
        LocalProtocolError: the port has no selective streams.
    """
    raw = yield ReadConfig(function, capability_offset + _CAPABILITY)
    capability = IdeCapability.parse(raw)
    if not capability.selective_stream_count:
        raise LocalProtocolError(f"{function} has no selective IDE streams", "survey")
    at = capability_offset + _FIRST_BLOCK + capability.link_stream_count * LinkIdeStream.minimum_size()
    blocks = []
    for index in range(capability.selective_stream_count):
        first = yield ReadConfig(function, at)
        associations = int.from_bytes(first, "little") & _ASSOCIATIONS_MASK
        control = SelectiveIdeStreamControl.parse((yield ReadConfig(function, at + _CONTROL)))
        blocks.append(SelectiveBlock(index, at, associations, control))
        at += _ADDRESS_ASSOCIATIONS + associations * _ADDRESS_BYTES
    return IdePort(function, capability, tuple(blocks))


def set_up(
    root_port: IdePort,
    endpoint: IdePort,
    slots: StreamSlots,
    *,
    policy: StreamPolicy | None = None,
    stream_id: StreamId | None = None,
) -> Plan[Stream]:
    """`reserve` and `program`: a slot, a block at either port, and everything but Enable in the registers.

    Raises:
        LocalProtocolError: as `reserve`.
        PytioError: a port cannot be written; nothing is left in the registers.
    """
    stream = reserve(root_port, endpoint, slots, policy=policy, stream_id=stream_id)
    try:
        yield from program(stream)
    except PytioError as error:
        yield from roll_back(error, tear_down(stream, slots))
        raise
    return stream


def reserve(
    root_port: IdePort,
    endpoint: IdePort,
    slots: StreamSlots,
    *,
    policy: StreamPolicy | None = None,
    stream_id: StreamId | None = None,
) -> Stream:
    """Take a slot and choose a block at either port; nothing is written. `tear_down` gives the slot back.

    ``stream_id`` is the slot's number where none is given.

    Raises:
        LocalProtocolError: no slot or block is free, a port uses the id for another stream, or has too few address
            associations.
    """
    slot = slots.take()
    try:
        stream = Stream(
            slot if stream_id is None else stream_id,
            slot,
            root_port,
            root_port.free_block(),
            endpoint,
            endpoint.free_block(),
            policy or StreamPolicy(),
        )
        _check(stream)
    except PytioError:
        slots.release(slot)
        raise
    return stream


def program(stream: Stream) -> Plan[None]:
    """Write everything but Enable: the endpoint first."""
    yield from _program(stream, stream.endpoint, stream.endpoint_block, stream.policy.endpoint_rids, ())
    rids, addresses = stream.policy.root_port_rids, stream.policy.root_port_addresses
    yield from _program(stream, stream.root_port, stream.root_port_block, rids, addresses)


def _check(stream: Stream) -> None:
    for port, _ in stream.sides():
        if any(block.control.enable and block.control.stream_id == stream.stream_id for block in port.blocks):
            raise LocalProtocolError(f"stream {stream.stream_id} is enabled at {port.function}", "set_up")
    wanted, there = len(stream.policy.root_port_addresses), stream.root_port_block.associations
    if wanted > there:
        state = f"{stream.root_port.function} has {there} address associations"
        raise LocalProtocolError(state, "set_up", f"{wanted} are wanted")


def _program(
    stream: Stream, port: IdePort, block: SelectiveBlock, rids: RidRange, addresses: tuple[AddressRange, ...]
) -> Plan[None]:
    """Write RID association 1 and 2, the address associations (zeros into spare ones), and control without Enable."""
    rid = RidAssociation(rid_limit=rids.last, rid_base=rids.first, valid=True)
    yield from _write(port.function, block.offset + _RID_ASSOCIATION, rid.build())
    associations = [AddressAssociation.of(each.first, each.last) for each in addresses]
    associations += [AddressAssociation()] * (block.associations - len(associations))
    for index, association in enumerate(associations):
        at = block.offset + _ADDRESS_ASSOCIATIONS + index * _ADDRESS_BYTES
        yield from _write(port.function, at, association.build())
    yield from _write_control(stream, port, block, is_enabled=False)


def enable(stream: Stream) -> Plan[None]:
    """Set Enable at both ports, and look at each status once: the keys have to be there by now.

    Raises:
        VerificationError: a port does not say secure; Enable was cleared at both again.
    """
    try:
        yield from switch_on(stream)
        yield from see_secure(stream)
    except PytioError as error:
        yield from roll_back(error, disable(stream))
        raise


def switch_on(stream: Stream) -> Plan[None]:
    """Set Enable at both ports, whether there are keys or not."""
    sides = list(stream.sides())
    for port, block in reversed(sides) if stream.policy.is_endpoint_first else sides:
        yield from _write_control(stream, port, block, is_enabled=True)


def see_secure(stream: Stream) -> Plan[None]:
    """Look at each port's status once; the second may only now have let the first become secure.

    Raises:
        VerificationError: a port does not say secure.
    """
    for port, block in stream.sides():
        status = IdeStreamStatus.parse((yield ReadConfig(port.function, block.offset + _STATUS)))
        if status.state != IdeStreamState.SECURE:
            what = f"stream {stream.stream_id} at {port.function}, selective[{block.index}]: {status.state.name}"
            raise VerificationError(what, (status.build(),))


def disable(stream: Stream) -> Plan[None]:
    """Clear the control register, root port first: both go to insecure at once, and forget the keys (PCIE_A31)."""
    cleared = SelectiveIdeStreamControl().build()
    yield from try_all(
        *(partial(_write, port.function, block.offset + _CONTROL, cleared) for port, block in stream.sides())
    )


def tear_down(stream: Stream, slots: StreamSlots) -> Plan[None]:
    """Disable, clear all associations, and give the slot back.

    Where a port cannot be written the other one is cleared nevertheless, and the slot stays taken.
    """
    yield from try_all(
        partial(disable, stream),
        *(partial(_clear_associations, port.function, block) for port, block in stream.sides()),
    )
    slots.release(stream.slot)


def _clear_associations(function: Bdf, block: SelectiveBlock) -> Plan[None]:
    for index in range(block.associations):
        at = block.offset + _ADDRESS_ASSOCIATIONS + index * _ADDRESS_BYTES
        yield from _write(function, at, AddressAssociation().build())
    cleared = RidAssociation().build()
    for at in (_DW_BYTES, 0):  # RID association 2 with its valid bit before 1
        yield WriteConfig(function, block.offset + _RID_ASSOCIATION + at, cleared[at : at + _DW_BYTES])


def establish(
    root_port: IdePort,
    endpoint: IdePort,
    slots: StreamSlots,
    program_keys: Callable[[Stream], Plan[None]],
    *,
    policy: StreamPolicy | None = None,
    stream_id: StreamId | None = None,
) -> Plan[Stream]:
    """Set up, have both ports' keys programmed and started, enable, see both secure; or leave nothing behind.

    Args:
        root_port: as surveyed.
        endpoint: as surveyed.
        slots: of the host bridge above both.
        program_keys: the plan that brings the keys to both ports, by firmware or IDE_KM.
        policy: what goes into the registers.
        stream_id: as `set_up`.

    Raises:
        LocalProtocolError: as `set_up`.
        VerificationError: as `enable`.
        PytioError: whatever programming the keys raises.
    """
    stream = yield from set_up(root_port, endpoint, slots, policy=policy, stream_id=stream_id)
    try:
        yield from program_keys(stream)
        yield from enable(stream)
    except PytioError as error:
        yield from roll_back(error, tear_down(stream, slots))
        raise
    return stream


def establish_between(
    root_port: tuple[Bdf, int],
    endpoint: tuple[Bdf, int],
    slots: StreamSlots,
    program_keys: Callable[[Stream], Plan[None]],
    *,
    policy: StreamPolicy | None = None,
) -> Plan[Stream]:
    """Survey both ports, each given as its function and the offset of its IDE capability, and `establish`."""
    surveyed_root = yield from survey(*root_port)
    surveyed_endpoint = yield from survey(*endpoint)
    return (yield from establish(surveyed_root, surveyed_endpoint, slots, program_keys, policy=policy))


def _write_control(stream: Stream, port: IdePort, block: SelectiveBlock, *, is_enabled: bool) -> Plan[None]:
    control = stream.control(port, is_enabled=is_enabled)
    yield from _write(port.function, block.offset + _CONTROL, control.build())


def _write(function: Bdf, offset: int, data: bytes) -> Plan[None]:
    for at in range(0, len(data), _DW_BYTES):
        yield WriteConfig(function, offset + at, data[at : at + _DW_BYTES])
