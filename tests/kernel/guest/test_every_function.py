"""Every function of the machine: its configuration space decodes whole, and agrees with what the kernel says."""

from __future__ import annotations

import pytest

from pytio.backends.sysfs import Sysfs
from pytio.ids import Bdf
from pytio.pci import decode, function_from_plain, read_all
from tests.kernel.guest.privileges import as_nobody
from tests.kernel.guest.registers import read

SYSFS = Sysfs()
FUNCTIONS = SYSFS.functions()


@pytest.mark.parametrize("bdf", FUNCTIONS, ids=str)
def test_it_decodes_without_a_problem(bdf: Bdf) -> None:
    function = SYSFS.function(bdf)
    with function.open_config() as config:
        raw = read_all(config)
        assert raw == config.dump()
    decoded = decode(raw)
    assert decoded.problems == ()
    assert decoded.build() == raw
    assert function_from_plain(decoded.to_dict()) == decoded


@pytest.mark.parametrize("bdf", FUNCTIONS, ids=str)
def test_it_is_who_the_kernel_says(bdf: Bdf) -> None:
    function = SYSFS.function(bdf)
    with function.open_config() as config:
        assert read(config, 0, 2) == function.number("vendor")
        assert read(config, 2, 2) == function.number("device")
        assert read(config, 8, 4) >> 8 == function.number("class")


@pytest.mark.parametrize("bdf", FUNCTIONS, ids=str)
def test_without_privilege_64_bytes_are_visible(bdf: Bdf) -> None:
    def read_beyond() -> None:
        with SYSFS.function(bdf).open_config() as config:
            assert config.visible_bytes == 64
            read(config, 0x40, 4)

    said = as_nobody(read_beyond)
    assert said.startswith("BackendPermissionError")
    assert "CAP_SYS_ADMIN" in said


def test_without_privilege_nothing_is_written() -> None:
    said = as_nobody(lambda: SYSFS.function(FUNCTIONS[0]).open_config(writable=True).close())
    assert said.startswith("BackendPermissionError")
