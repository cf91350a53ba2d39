"""Backends: the resources of an operating system, and transports to peers, as they are. They take no decisions.

Each says what it guarantees and what each method raises; an ``OSError`` never leaves one, but becomes the typed error
that it stands for, with a hint. What to do with a resource is decided above, in `pytio.clients` and `pytio.hosts`.
"""

from pytio.backends.base import AsyncTransport, Transport
from pytio.backends.bindings import BINDINGS, Binding, Carried
from pytio.backends.errnos import Meaning, explain, translated

__all__ = ("BINDINGS", "AsyncTransport", "Binding", "Carried", "Meaning", "Transport", "explain", "translated")
