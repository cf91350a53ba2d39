"""Mocks: the other side of every register and message, faithful to the byte.

A `MockFunction` is a PCI Express function whose `ConfigSpace` does what hardware does on a write; a `DoeMailbox` behind
it takes data objects and gives answers. An `Endpoint` is what answers in them: SPDM, with IDE_KM and TDISP on top. An
`IdePort` encrypts what goes through a `Link`; `pytio.mock.platform` is what the other end of the link belongs to.
Mocks use codecs and protocol engines, never a client, so that they cannot share its mistakes; they perform no I/O and
read no clock.
"""

from pytio.mock.config_space import Change, ConfigSpace, Violation
from pytio.mock.doe_mailbox import DoeMailbox, object_server
from pytio.mock.endpoint import Endpoint
from pytio.mock.function import Bar, BarKind, FunctionEvent, MockFunction
from pytio.mock.ide_port import IdePort
from pytio.mock.keyed_port import KeyedPort
from pytio.mock.link import Link, LinkDirection, LinkEvent
from pytio.mock.tdi import InterfaceMemory, MockTdi
from pytio.mock.transactions import Answer, Transactions

__all__ = (
    "Answer",
    "Bar",
    "BarKind",
    "Change",
    "ConfigSpace",
    "DoeMailbox",
    "Endpoint",
    "FunctionEvent",
    "IdePort",
    "InterfaceMemory",
    "KeyedPort",
    "Link",
    "LinkDirection",
    "LinkEvent",
    "MockFunction",
    "MockTdi",
    "Transactions",
    "Violation",
    "object_server",
)
