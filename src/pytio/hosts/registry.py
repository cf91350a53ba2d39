"""From a URI to a backend: a table of schemes, each imported when it is first asked for, and open to entry points.

A scheme opens one of two things: a `Transport`, which moves units to one peer, or a host, which has devices. Third
parties add schemes by entry points of the group ``pytio.backends``, named by the scheme, that take the URI.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, Protocol, runtime_checkable

from pytio.backends.base import Transport
from pytio.errors import BackendUnavailableError
from pytio.ids import Bdf

__all__ = ("GROUP", "SCHEMES", "Host", "is_address", "open_host", "open_transport", "open_uri", "schemes")

GROUP: Final = "pytio.backends"
"""The group of entry points that add schemes."""


@runtime_checkable
class Host(Protocol):
    """A machine with devices; `pytio.hosts.linux.LinuxHost` is the real one."""

    def devices(self) -> tuple[Bdf, ...]:
        """Return the addresses of all functions."""

    def device(self, bdf: Bdf | str) -> Any:
        """Return a device, which can be connected; raises BackendUnavailableError if there is none."""

    def tdi(self, bdf: Bdf | str) -> Any:
        """Return an interface, which can be accepted; raises BackendUnavailableError if there is none."""

    def close(self) -> None:
        """Let go of it; harmless the second time."""


SCHEMES: Final[Mapping[str, tuple[str, str]]] = {
    "doe": ("pytio.hosts.linux", "open_doe"),
    "mock": ("pytio.hosts.mock", "open_host"),
    "replay": ("pytio.hosts.replay", "open_transport"),
    "socket": ("pytio.backends.socket", "open_transport"),
    "sysfs": ("pytio.hosts.linux", "open_host"),
}
"""What is built in: a scheme, the module that serves it, and the function there that takes the URI."""


@cache
def _others() -> dict[str, Callable[[str], Any]]:
    """Return a loader for each scheme that other packages bring; none takes a built-in one's place."""
    return {point.name: _loader(point) for point in entry_points(group=GROUP) if point.name not in SCHEMES}


def _loader(point: EntryPoint) -> Callable[[str], Any]:
    def load(uri: str) -> Any:
        return point.load()(uri)

    return load


def schemes() -> tuple[str, ...]:
    """Return every scheme there is, built in or added."""
    return tuple(sorted({*SCHEMES, *_others()}))


def open_uri(uri: str) -> Any:
    """Open whatever a URI names: a transport or a host.

    Raises:
        BackendUnavailableError: the scheme is not known here, or what it names cannot be reached.
        ValueError: the URI is malformed.
    """
    scheme = uri.partition(":")[0].lower()
    if scheme in SCHEMES:
        module, name = SCHEMES[scheme]
        return getattr(import_module(module), name)(uri)
    if scheme in _others():
        return _others()[scheme](uri)
    raise BackendUnavailableError(uri, f"no backend for {scheme}:", f"there is {', '.join(schemes())}")


def open_transport(uri: str) -> Transport:
    """Open a URI that names a transport, such as ``socket://127.0.0.1:2323?transport=mctp``; raises as `open_uri`.

    A bare address, such as ``0000:e1:00.0``, is that device's DOE mailbox.
    """
    opened = open_uri(f"doe:{uri}" if is_address(uri) else uri)
    if not isinstance(opened, Transport):
        raise BackendUnavailableError(uri, "it is no transport", "use open_host")
    return opened


def is_address(uri: str) -> bool:
    """Say whether it is no URI at all, but the address of a device."""
    try:
        Bdf.parse(uri)
    except ValueError:
        return False
    return True


def open_host(uri: str) -> Host:
    """Open a URI that names a host, such as ``sysfs:`` or ``sysfs:/a/copy/of/sys``; raises as `open_uri`."""
    opened = open_uri(uri)
    if not isinstance(opened, Host):
        raise BackendUnavailableError(uri, "it is no host", "use open_transport")
    return opened
