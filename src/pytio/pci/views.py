"""Registers of a live function, by the same names as in a dump: read when asked, written with their own width.

Document: PCIe Base 6.x chapter 7. A view holds no value. Reading an attribute reads the register; a change says what it
is: `RegisterView.modify` reads, changes and writes, leaves reserved bits as they were and clears no status by accident.
Where a structure's layout depends on itself (MSI, IDE blocks), so does the place of its registers.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Final, Generic, TypeVar

from pytio.ide_registers import (
    AddressAssociation,
    IdeCapability,
    IdeControl,
    IdeStreamStatus,
    LinkIdeStreamControl,
    RidAssociation,
    SelectiveIdeStreamControl,
)
from pytio.pci.access import ConfigAccess, read_all, read_bytes, write_bytes
from pytio.pci.capabilities.data_object_exchange import DataObjectExchange
from pytio.pci.capabilities.pci_express import PciExpressDevice
from pytio.pci.codes import FIRST_EXTENDED_OFFSET, CapabilityId, ExtendedCapabilityId
from pytio.pci.dump import header_class
from pytio.pci.header import Header
from pytio.pci.walk import Walk, walk
from pytio.registers import Register
from pytio.wire import Array, Bits, Bytes, Field, Integer, Nested, WireStruct, WireType
from pytio.wire.declaration import fixed_size
from pytio.wire.expressions import Expression, Symbol
from pytio.wire.fields import bit_places, bit_runs, run_size

__all__ = ("ConfigView", "IdeView", "LinkStreamView", "RegisterView", "SelectiveStreamView", "StructureView")

R = TypeVar("R", bound=Register)
S = TypeVar("S", bound=WireStruct)
_LARGEST_REGISTER: Final = 8


class RegisterView(Generic[R]):
    """One register: its fields are attributes, each of which reads it.

    Attributes:
        offset: in configuration space.
        layout: the class of its value.
    """

    def __init__(self, access: ConfigAccess, offset: int, layout: type[R]) -> None:
        self._access = access
        self.offset = offset
        self.layout = layout

    def read(self) -> R:
        """Read the register: 1, 2 or 4 bytes in one access, 8 in two."""
        return self.layout.parse(read_bytes(self._access, self.offset, self.layout.minimum_size()))

    def write(self, value: R) -> None:
        """Write the register as it is given, with its own width."""
        write_bytes(self._access, self.offset, value.build())

    def modify(self, **changes: int) -> R:
        """Read, change the fields named, write, and return what was written.

        Reserved bits are written back as they were read. Bits that are cleared by writing ones are written as zeros,
        unless they are named. Not atomic against other users of the function.

        Raises:
            TypeError: there is no such field.
        """
        kept = dict.fromkeys(self.layout.RW1C, False)
        value = self.read().replace(**(kept | changes))
        self.write(value)
        return value

    def clear(self, *names: str) -> None:
        """Clear status bits by writing ones to them, and to no others of their kind.

        Raises:
            ValueError: a field is not of this kind.
        """
        others = set(names) - self.layout.RW1C
        if others:
            raise ValueError(f"{self.layout.__name__}: {', '.join(sorted(others))} is not cleared by writing ones")
        self.modify(**dict.fromkeys(names, True))

    def __getattr__(self, name: str) -> int:
        """Read the register, and return one field."""
        if name not in {field.name for field in self.layout.FIELDS}:
            raise AttributeError(f"{self.layout.__name__} has no {name}")
        value: int = getattr(self.read(), name)
        return value

    def __repr__(self) -> str:
        """Say which register, without reading it."""
        return f"<{self.layout.__name__} at {self.offset:#x}>"


class StructureView(Generic[S]):
    """A structure of registers: those with fields are views, numbers are read at once.

    Attributes:
        offset: in configuration space.
        layout: the class that lays it out.
    """

    def __init__(self, access: ConfigAccess, offset: int, layout: type[S]) -> None:
        self._access = access
        self.offset = offset
        self.layout = layout

    def read(self) -> S:
        """Read all of it, double word by double word."""
        return self.layout.parse(read_bytes(self._access, self.offset, self.size()))

    def size(self) -> int:
        """Return how many bytes it takes, which may depend on its registers."""
        return sum(self._size(run, at) for at, run in self._runs())

    def register(self, name: str, layout: type[R]) -> RegisterView[R]:
        """Return the view of a register, with its type.

        Raises:
            AttributeError: it is not there.
            TypeError: it has another layout.
        """
        found = self._item(name)
        if not isinstance(found, RegisterView) or found.layout is not layout:
            raise TypeError(f"{self.layout.__name__}.{name} is no {layout.__name__}")
        return found

    def modify(self, **changes: int) -> None:
        """Change numbers and bits of the structure's own: each register is read, changed and written once.

        Raises:
            AttributeError: there is no such field.
            TypeError: it is no number, but a structure of its own.
        """
        places: dict[int, tuple[list[Field], dict[str, int]]] = {}
        for name, value in changes.items():
            at, run = self._place(name)
            places.setdefault(at, (run, {}))[1][name] = value
        for at, (run, values) in places.items():
            self._change(at, run, values)

    def __getattr__(self, name: str) -> Any:
        """Return what has this name: a view, views, or a number that is read now."""
        if name.startswith("_"):
            raise AttributeError(name)
        return self._item(name)

    def _item(self, name: str) -> Any:
        at, run = self._place(name)
        if isinstance(run[0].type, Bits):
            _, bits, low = next(place for place in bit_places(self.layout, run) if place[0].name == name)
            number = self._number(at, run_size(run)) >> low & (1 << bits.width) - 1
            return number if bits.enum is None else bits.enum(number)
        return self._value(run[0].type, at)

    def __repr__(self) -> str:
        """Say which structure, without reading it."""
        return f"<{self.layout.__name__} at {self.offset:#x}>"

    # places

    def _runs(self) -> Iterator[tuple[int, list[Field]]]:
        """Yield the offset and the fields of each part that is there."""
        at = self.offset
        for run in bit_runs(self.layout):
            when = run[0].when
            if when is None or self._evaluate(when):
                yield at, run
                at += self._size(run, at)

    def _place(self, name: str) -> tuple[int, list[Field]]:
        if name not in {field.name for field in self.layout.FIELDS}:
            raise AttributeError(f"{self.layout.__name__} has no {name}")
        for at, run in self._runs():
            if any(field.name == name for field in run):
                return at, run
        raise AttributeError(f"this {self.layout.__name__} is without {name}")

    def _evaluate(self, expression: Expression) -> int:
        def known(symbol: Symbol) -> int:
            return int(self._item(symbol.name))

        return expression.evaluate(known)

    def _count(self, count: object) -> int:
        if isinstance(count, Expression):
            return self._evaluate(count)
        return count if isinstance(count, int) else 0  # what runs to the end of the data has no end here

    def _size(self, run: list[Field], at: int) -> int:
        word = run[0].type
        return run_size(run) if isinstance(word, Bits) else self._word_size(word, at)

    def _word_size(self, word: WireType[Any], at: int) -> int:
        if isinstance(word, Bytes):
            return self._count(word.size)
        if isinstance(word, Array):
            size = 0
            for _ in range(self._count(word.count)):
                size += self._word_size(word.element, at + size)
            return size
        known = fixed_size(word)
        if known is None and isinstance(word, Nested):
            return StructureView(self._access, at, word.struct).size()
        return known or 0

    # values

    def _number(self, at: int, size: int) -> int:
        return int.from_bytes(read_bytes(self._access, at, size), "little")

    def _value(self, word: WireType[Any], at: int) -> Any:
        if isinstance(word, Nested):
            return self._view(word.struct, at)
        if isinstance(word, Array):
            found, here = [], at
            for _ in range(self._count(word.count)):
                found.append(self._value(word.element, here))
                here += self._word_size(word.element, here)
            return tuple(found)
        if isinstance(word, Bytes):
            return read_bytes(self._access, at, self._count(word.size))
        return self._number(at, word.minimum_size)

    def _view(self, struct: type[WireStruct], at: int) -> object:
        size = struct.fixed_size()
        if issubclass(struct, Register) and size is not None and size <= _LARGEST_REGISTER and _is_one(struct):
            return RegisterView(self._access, at, struct)
        return StructureView(self._access, at, struct)

    def _change(self, at: int, run: list[Field], values: dict[str, int]) -> None:
        word = run[0].type
        if isinstance(word, Bits):
            size = run_size(run)
            number = self._number(at, size)
            for field, bits, low in bit_places(self.layout, run):
                if field.name in values:
                    mask = (1 << bits.width) - 1
                    number = number & ~(mask << low) | (int(values[field.name]) & mask) << low
        elif isinstance(word, Integer):
            size, number = word.size, values[run[0].name]
        else:
            raise TypeError(f"{self.layout.__name__}.{run[0].name} is no number: change its registers")
        write_bytes(self._access, at, number.to_bytes(size, "little"))


def _is_one(struct: type[Register]) -> bool:
    """Return whether a structure is one register: bits, and nothing but bits."""
    return all(isinstance(field.type, Bits) for field in struct.FIELDS)


class LinkStreamView(StructureView[Any]):
    """A link IDE stream block."""

    @property
    def control(self) -> RegisterView[LinkIdeStreamControl]:
        """Link IDE Stream Control Register."""
        return self.register("control", LinkIdeStreamControl)

    @property
    def status(self) -> RegisterView[IdeStreamStatus]:
        """Link IDE Stream Status Register."""
        return self.register("status", IdeStreamStatus)


class SelectiveStreamView(StructureView[Any]):
    """A selective IDE stream block."""

    @property
    def control(self) -> RegisterView[SelectiveIdeStreamControl]:
        """Selective IDE Stream Control Register."""
        return self.register("control", SelectiveIdeStreamControl)

    @property
    def status(self) -> RegisterView[IdeStreamStatus]:
        """Selective IDE Stream Status Register."""
        return self.register("status", IdeStreamStatus)

    @property
    def rid_association(self) -> RegisterView[RidAssociation]:
        """IDE RID Association Registers 1 and 2, in two accesses."""
        return self.register("rid_association", RidAssociation)

    @property
    def address_associations(self) -> tuple[StructureView[AddressAssociation], ...]:
        """IDE Address Association Registers, three in each."""
        found: tuple[StructureView[AddressAssociation], ...] = self._item("address_associations")
        return found


class IdeView(StructureView[Any]):
    """The IDE extended capability."""

    @property
    def capability(self) -> IdeCapability:
        """IDE Capability Register, read now; it never changes."""
        return IdeCapability.parse(read_bytes(self._access, self._registers.offset, IdeCapability.minimum_size()))

    @property
    def control(self) -> RegisterView[IdeControl]:
        """IDE Control Register."""
        return self._registers.register("control", IdeControl)

    @property
    def link(self) -> tuple[LinkStreamView, ...]:
        """The link IDE stream blocks."""
        blocks = self._registers.link_streams
        return tuple(LinkStreamView(self._access, block.offset, block.layout) for block in blocks)

    @property
    def selective(self) -> tuple[SelectiveStreamView, ...]:
        """The selective IDE stream blocks."""
        blocks = self._registers.selective_streams
        return tuple(SelectiveStreamView(self._access, block.offset, block.layout) for block in blocks)

    @property
    def _registers(self) -> StructureView[Any]:
        found: StructureView[Any] = self._item("registers")
        return found


class ConfigView:
    """A function's configuration space: where its capabilities are is read once, their registers when asked."""

    def __init__(self, access: ConfigAccess) -> None:
        """Take the way to the function; nothing is read yet."""
        self.access = access

    @cached_property
    def walked(self) -> Walk:
        """Where the capabilities are, and what is wrong with their lists."""
        return walk(self._snapshot)

    @cached_property
    def _snapshot(self) -> bytes:
        return read_all(self.access)

    @cached_property
    def header(self) -> StructureView[Header]:
        """The header, of its layout."""
        return StructureView(self.access, 0, header_class(self._snapshot))

    def find(self, capability_id: CapabilityId | ExtendedCapabilityId) -> StructureView[Any] | None:
        """Return the first capability with this id, None where there is none."""
        return next(iter(self.find_all(capability_id)), None)

    def find_all(self, capability_id: CapabilityId | ExtendedCapabilityId) -> tuple[StructureView[Any], ...]:
        """Return all capabilities with this id."""
        is_extended = isinstance(capability_id, ExtendedCapabilityId)
        return tuple(
            StructureView(self.access, place.offset, place.layout)
            for place in self.walked.places
            if place.capability_id == capability_id and (place.offset >= FIRST_EXTENDED_OFFSET) is is_extended
        )

    @property
    def pci_express(self) -> StructureView[PciExpressDevice] | None:
        """The PCI Express capability, None for a function of conventional PCI."""
        return self.find(CapabilityId.PCI_EXPRESS)

    @property
    def tee_io(self) -> bool:
        """Whether the function implements TDISP: TEE-IO Supported in its Device Capabilities Register."""
        express = self.pci_express
        return express is not None and bool(express.device_capabilities.tee_io_supported)

    @property
    def doe(self) -> tuple[StructureView[DataObjectExchange], ...]:
        """The DOE instances, each with a mailbox of its own."""
        return self.find_all(ExtendedCapabilityId.DATA_OBJECT_EXCHANGE)

    @property
    def ide(self) -> IdeView | None:
        """The IDE extended capability, None where there is none."""
        found = self.find(ExtendedCapabilityId.INTEGRITY_DATA_ENCRYPTION)
        return None if found is None else IdeView(self.access, found.offset, found.layout)
