"""Mocks: the other side of every register and message, faithful to the byte.

A `MockFunction` is a PCI Express function whose `ConfigSpace` does what hardware does on a write; a `DoeMailbox` behind
it takes data objects and gives answers. Mocks use codecs and protocol engines, never a client, so that they cannot
share its mistakes; they perform no I/O and read no clock.
"""

from pytio.mock.config_space import Change, ConfigSpace, Violation
from pytio.mock.doe_mailbox import DoeMailbox, object_server
from pytio.mock.function import Bar, BarKind, FunctionEvent, MockFunction

__all__ = (
    "Bar",
    "BarKind",
    "Change",
    "ConfigSpace",
    "DoeMailbox",
    "FunctionEvent",
    "MockFunction",
    "Violation",
    "object_server",
)
