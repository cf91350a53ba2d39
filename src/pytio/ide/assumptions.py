"""What no public source settles about IDE on the wire, and what is assumed: one row each, and where it is in the code.

A holder of the PCI Express Base Specification corrects an assumption in the one place that its row names. The table in
the documentation is made from this one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs

__all__ = ("ASSUMPTIONS", "Assumption")


@attrs.frozen
class Assumption:
    """One choice."""

    text: str
    """What is assumed."""
    confidence: str
    """``low``, ``medium`` or ``high``; ours."""
    place: str
    """The one place in the code, as a dotted name; its documentation names the assumption."""


ASSUMPTIONS: Final[Mapping[str, Assumption]] = MappingProxyType(
    {
        "PCIE_A19": Assumption(
            "in flit mode TS is 000 for no trailer, 001 for ECRC, 101 for a MAC, 110 for PCRC and MAC",
            "medium",
            "pytio.ide.codes.Trailer",
        ),
        "PCIE_A20": Assumption(
            "an IDE TLP has no ECRC, and TD clear; Length counts the payload alone; the MAC is the tag's bytes 0 to 11 "
            "in order; local prefixes are not protected",
            "medium",
            "pytio.ide.framing.associated_data",
        ),
        "PCIE_A21": Assumption(
            "the associated data is IDE prefix, other end-end prefixes and header, as transmitted (in flit mode header "
            "and OHC), no bit masked, nothing padded; the plaintext is in the order of the wire",
            "medium",
            "pytio.ide.framing.associated_data",
        ),
        "PCIE_A22": Assumption(
            "the fixed part of the IV has the sub-stream in bits 95:92, and is zero otherwise",
            "high",
            "pytio.ide.framing.FIXED_PARTS",
        ),
        "PCIE_A23": Assumption(
            "the invocation field counts units, not TLPs: one IV for each MAC",
            "high",
            "pytio.ide.keys.HeldKey",
        ),
        "PCIE_A24": Assumption(
            "PCRC is CRC-32 (04C11DB7h, reflected, initially and finally inverted), least significant byte first, over "
            "the payload of the whole unit; it follows the payload of the TLP with M, and only if the unit has payload",
            "medium",
            "pytio.ide.framing.pcrc_of",
        ),
        "PCIE_A25": Assumption(
            "a unit's associated data and plaintext are those of its TLPs one after the other, under one IV; T may "
            "differ between its TLPs; payload is released when the MAC holds, unless early release is asked for",
            "medium",
            "pytio.ide.framing.text_of",
        ),
        "PCIE_A26": Assumption(
            "with partial header encryption the byte with Last and First DW BE comes first, then the address bits, "
            "most significant byte first, then the payload; ciphertext stands in place, and in the associated data "
            "those bits are 0; a 32-bit address has no more than its bits 25:2 encrypted",
            "low",
            "pytio.ide.framing.hidden_places",
        ),
        "PCIE_A27": Assumption(
            "the counter field in the prefix of a posted request is 0",
            "medium",
            "pytio.ide.counters.POSTED_COUNTER",
        ),
        "PCIE_A28": Assumption(
            "a key refresh leaves the ordering counters alone",
            "medium",
            "pytio.ide.counters.SentCounters",
        ),
        "PCIE_A29": Assumption(
            "IDE Sync has message code 54h and IDE Fail 55h, without data, routed by ID on selective and local on link "
            "streams; bytes 12 to 14 of the header are Stream ID and the counters for NPR and CPL; IDE Fail is no IDE "
            "TLP",
            "low",
            "pytio.ide.codes.MessageCode",
        ),
        "PCIE_A30": Assumption(
            "flit-mode type codes, base headers, and where OHC stands and what OHC-A, B and E hold",
            "medium",
            "pytio.ide.codes.FlitType",
        ),
        "PCIE_A31": Assumption(
            "whatever makes a stream Insecure destroys its keys",
            "medium",
            "pytio.ide.state.KEY_DESTROYERS",
        ),
        "PCIE_A32": Assumption(
            "a stream whose keys are switched on, but which is not enabled, takes a configuration write as IDE TLP: "
            "the one that is to enable it",
            "medium",
            "pytio.ide.stream.Stream",
        ),
        "PCIE_A33": Assumption(
            "the order of a receiver's checks: stream, traffic class, type, sub-stream and other fields, key set, "
            "aggregation, MAC, counters, PCRC, requester or completer, completion's stream",
            "medium",
            "pytio.ide.receiver.Receiver",
        ),
    }
)
"""By name."""
