"""The function: identity, BAR sizing, capability lists, events and resets."""

from __future__ import annotations

import pytest

from pytio.mock import Bar, BarKind, FunctionEvent, MockFunction


@pytest.fixture
def function() -> MockFunction:
    bars = (Bar(0, 1 << 20, BarKind.PREFETCHABLE_64), Bar(2, 4096, BarKind.MEMORY_32), Bar(3, 32, BarKind.IO))
    return MockFunction(0x1022, 0x14A0, class_code=0x120000, bars=bars, tee_io=True)


def events(function: MockFunction) -> list[FunctionEvent]:
    seen: list[FunctionEvent] = []
    function.subscribe(seen.append)
    return seen


def test_identity(function: MockFunction) -> None:
    assert function.space.read(0, 4) == 0x14A0_1022
    assert function.space.read(0x08, 4) == 0x1200_0000
    assert function.space.read(0x34, 1) == function.pci_express == 0x40
    assert function.space.read(0x44, 4) & 1 << 30
    function.space.write(0, 4, 0)
    assert function.space.read(0, 4) == 0x14A0_1022


@pytest.mark.parametrize(
    ("offset", "answer"),
    [(0x10, 0xFFF0_000C), (0x14, 0xFFFF_FFFF), (0x18, 0xFFFF_F000), (0x1C, 0xFFFF_FFE1), (0x20, 0)],
)
def test_bars_size_themselves(function: MockFunction, offset: int, answer: int) -> None:
    function.space.write(offset, 4, 0xFFFF_FFFF)
    assert function.space.read(offset, 4) == answer


@pytest.mark.parametrize("bar", [Bar(5, 4096), Bar(0, 3000), Bar(0, 8), Bar(6, 4096, BarKind.MEMORY_32)])
def test_a_bar_has_to_fit(bar: Bar) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        MockFunction(1, 2, bars=(bar,))


def test_command_bits_are_events(function: MockFunction) -> None:
    seen = events(function)
    function.space.write(0x04, 2, 0x0006)
    function.space.write(0x04, 2, 0x0006)
    function.space.write(0x04, 1, 0x02)
    function.space.write(0x10, 4, 0x1000_0000)
    function.space.write(0x48, 2, 0x2910)
    assert seen == [
        FunctionEvent.MEMORY_SPACE_ENABLED,
        FunctionEvent.BUS_MASTER_ENABLED,
        FunctionEvent.BUS_MASTER_DISABLED,
        FunctionEvent.BAR_CHANGED,
        FunctionEvent.DEVICE_CONTROL_CHANGED,
    ]


def test_a_function_level_reset_keeps_what_is_sticky(function: MockFunction) -> None:
    at = function.add_extended_capability(0x01, bytes(0x44), version=2, rw1c=0xFFFF_FFFF, sticky=0xFFFF_FFFF)
    function.space.set_bits(at + 4, 1 << 28)
    function.space.write(0x04, 2, 0x0006)
    seen = events(function)
    function.space.write(0x48, 2, 0xA810)
    assert seen == [FunctionEvent.FUNCTION_LEVEL_RESET]
    assert function.space.read(0x04, 2) == 0
    assert function.space.read(0x48, 2) == 0x2810
    assert function.space.read(at + 4, 4) == 1 << 28
    function.reset()
    assert seen[1:] == [FunctionEvent.CONVENTIONAL_RESET]
    assert function.space.read(at + 4, 4) == 0


def test_a_port_has_no_function_level_reset() -> None:
    port = MockFunction(0x1022, 0x14AB, port_type=4, port_number=3)
    seen = events(port)
    port.space.write(0x48, 2, 0xA810)
    assert seen == []
    assert port.space.read(0x0E, 1) == 1
    assert port.space.read(0x4C, 4) >> 24 == 3


def test_lists_are_chained(function: MockFunction) -> None:
    msi_x = function.add_capability(0x11, bytes(10), rw=0xC000)
    assert function.space.read(0x41, 1) == msi_x == 0x7C
    assert function.space.read(msi_x, 2) == 0x0011
    first, second = (function.add_extended_capability(number, bytes(4), version=1) for number in (0x0D, 0x0E))
    assert function.space.read(first, 4) == 0x0D | 1 << 16 | second << 20
    assert function.space.read(second, 4) == 0x0E | 1 << 16
