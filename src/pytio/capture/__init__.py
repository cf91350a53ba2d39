"""Captures: files of recorded traffic, decoded and, where the reader holds the secrets, decrypted.

`open_capture` gives a `Trace`; a trace gives a `Record` for each captured packet.
"""

from pytio.capture.exchanges import Exchange, ExchangeKind, Turn
from pytio.capture.frames import Frame, LinkType, Problem
from pytio.capture.keylog import KeyLog, KeyLogEntry
from pytio.capture.ladder import Ladder
from pytio.capture.pcapng import PcapngWriter
from pytio.capture.records import Check, Direction, Layer, Record
from pytio.capture.trace import Trace, open_capture

__all__ = (
    "Check",
    "Direction",
    "Exchange",
    "ExchangeKind",
    "Frame",
    "KeyLog",
    "KeyLogEntry",
    "Ladder",
    "Layer",
    "LinkType",
    "PcapngWriter",
    "Problem",
    "Record",
    "Trace",
    "Turn",
    "open_capture",
)
