"""Back from plain data, as JSON holds it, to a decoded function: the inverse of `Function.to_dict`.

This file knows which structures there are; how fields become plain data is `pytio.wire`'s.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from typing import Any

from pytio.errors import PciDecodeError
from pytio.pci import capabilities
from pytio.pci.capabilities.base import Capability, ExtendedCapability
from pytio.pci.dump import Function, Gap, Located
from pytio.pci.header import OtherHeader, Type0Header, Type1Header
from pytio.pci.walk import Problem
from pytio.wire import WireStruct

__all__ = ("function_from_plain", "structures")


@cache
def structures() -> Mapping[str, type[WireStruct]]:
    """Return every header and capability by the name that plain data has for it."""
    found: dict[str, type[WireStruct]] = {cls.NAME: cls for cls in (Type0Header, Type1Header, OtherHeader)}
    for module in pkgutil.iter_modules(capabilities.__path__, f"{capabilities.__name__}."):
        loaded = importlib.import_module(module.name)
        for cls in (getattr(loaded, name) for name in loaded.__all__):
            if isinstance(cls, type) and issubclass(cls, Capability | ExtendedCapability):
                found[cls.NAME] = cls
    return found


def function_from_plain(plain: Mapping[str, Any]) -> Function:
    """Return the function that `Function.to_dict` made ``plain`` of; `build` gives its bytes.

    Raises:
        PciDecodeError: something is missing, or is not what it should be.
    """
    try:
        header: Any = _structure(plain["header"])
        found = [Located(each["offset"], each["size"], _structure(each)) for each in plain["capabilities"]]
        rest = [Gap(each["offset"], bytes.fromhex(each["data"])) for each in plain["rest"]]
        problems = [Problem(each["offset"], each["reason"]) for each in plain.get("problems", ())]
        return Function(plain["size"], header, tuple(found), tuple(rest), tuple(problems))
    except (KeyError, TypeError, ValueError) as error:
        raise PciDecodeError(f"no configuration space: {error}") from error


def _structure(plain: Mapping[str, Any]) -> Any:
    return structures()[plain["structure"]].from_dict(plain["fields"])
