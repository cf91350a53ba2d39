"""A kernel that is locked down, as Secure Boot has it: root may read, but not write. There is no way back."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytio.backends.sysfs import Lockdown, Sysfs
from pytio.errors import BackendLockdownError
from tests.kernel.guest.registers import read, write

SYSFS = Sysfs()


@pytest.fixture(scope="module", autouse=True)
def locked_down() -> None:
    assert SYSFS.lockdown() is Lockdown.NONE
    Path("/sys/kernel/security/lockdown").write_text("integrity")
    assert SYSFS.lockdown() is Lockdown.INTEGRITY


def test_configuration_space_is_not_written() -> None:
    with SYSFS.function(SYSFS.functions()[0]).open_config(writable=True) as config:
        before = read(config, 0x3C, 1)
        with pytest.raises(BackendLockdownError, match=r"kernel lockdown \(integrity\).*Secure Boot.*pytio tsm"):
            write(config, 0x3C, before, 1)
        assert read(config, 0x3C, 1) == before


def test_bars_are_not_mapped() -> None:
    for bdf in SYSFS.functions():
        function = SYSFS.function(bdf)
        bars = [resource for resource in function.resources() if resource.is_bar and resource.size_bytes]
        with function.open_config() as config:
            decodes = read(config, 4, 2) & 2
        memory = [bar for bar in bars if bar.flags & 0x200]
        if memory and decodes:
            with pytest.raises(BackendLockdownError):
                function.open_bar(memory[0].index)
            return
    pytest.fail("no function has a BAR that decodes")
