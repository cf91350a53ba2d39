"""Configuration space: every register of a function, from a dump or live, by the names of the specification.

Document: PCIe Base 6.x chapter 7. `decode` takes bytes and gives a `Function`, as far as its lists lead. The
capabilities are in `pytio.pci.capabilities`, their numbers in `pytio.pci.codes`. Nothing here performs I/O.
"""

from pytio.pci.access import ConfigAccess, DumpAccess, read_all
from pytio.pci.codes import CapabilityId, ExtendedCapabilityId
from pytio.pci.compare import Difference, compare
from pytio.pci.dump import Function, Located, decode, function_json
from pytio.pci.lspci import DumpedFunction, format_dump, is_dump, parse_dump
from pytio.pci.plain import function_from_plain
from pytio.pci.text import function_text
from pytio.pci.views import ConfigView, IdeView, RegisterView, StructureView
from pytio.pci.walk import Problem, walk

__all__ = (
    "CapabilityId",
    "ConfigAccess",
    "ConfigView",
    "Difference",
    "DumpAccess",
    "DumpedFunction",
    "ExtendedCapabilityId",
    "Function",
    "IdeView",
    "Located",
    "Problem",
    "RegisterView",
    "StructureView",
    "compare",
    "decode",
    "format_dump",
    "function_from_plain",
    "function_json",
    "function_text",
    "is_dump",
    "parse_dump",
    "read_all",
    "walk",
)
