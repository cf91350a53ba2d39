"""The live sysfs, for every test here."""

from tests.fakes.fixtures import platform as platform
from tests.fakes.fixtures import sysfs as sysfs
