"""Who spoke to whom, as far as a record's own bytes tell.

An MCTP packet names its endpoints and a TCP segment its ports; a DOE mailbox has one requester and one responder, and
names neither. A TLP is captured in one of the two directions of a link. DMTF's tools write MCTP packets with all
endpoint ids zero, which name nobody.
"""

from __future__ import annotations

from typing import Final

import attrs

from pytio.capture.records import Record
from pytio.doe import DataObject
from pytio.transports.mctp import MctpPacket

__all__ = ("Ends", "Place", "ends_of")


@attrs.frozen
class Place:
    """Where records travel between the same two ends.

    Attributes:
        interface: the capture's name for where it was taken, if it has one.
        kind: what the ends are ends of: ``doe``, ``mctp``, ``tcp``, ``psp``, ``guest``, ``link``.
        names: the names of the two ends, sorted; empty where the records do not name them.
        connection_id: the connection in a DOE mailbox that several share (DOE type 2 of CMA with a connection id).
    """

    interface: str | None
    kind: str
    names: tuple[str, ...] = ()
    connection_id: int | None = None


@attrs.frozen
class Ends:
    """The way of one record.

    Attributes:
        place: where it travelled.
        sender: the name of the end that sent it, or None where only its direction may tell.
        receiver: the name of the other end.
    """

    place: Place
    sender: str | None = None
    receiver: str | None = None


_PCIE: Final = "pcie"
_FLIT: Final = ":flit"
_WAYS: Final = {"up": ("device", "root port"), "down": ("root port", "device")}
_SEV_PLACES: Final = {"psp": "psp", "ghcb": "guest", "guest": "guest"}


def ends_of(record: Record) -> Ends | None:
    """Return the way of a record, or None where there is no transport that is known, or none that decoded."""
    if record.transport == _PCIE:
        return _on_link(record.interface or "")
    for layer in record.layers:
        if "source" in layer.facts:
            return _named(record, "tcp", layer.facts["source"], layer.facts["destination"])
        if isinstance(layer.message, MctpPacket):
            header = layer.message.header
            return _named(record, "mctp", f"EID {header.source_endpoint_id}", f"EID {header.destination_endpoint_id}")
        if isinstance(layer.message, DataObject):
            return Ends(Place(record.interface, "doe", connection_id=layer.message.connection_id))
        if layer.name in _SEV_PLACES:
            return Ends(Place(record.interface, _SEV_PLACES[layer.name]))
        if layer.name == "doe":  # a mailbox all the same
            return Ends(Place(record.interface, "doe"))
    return None


def _on_link(interface: str) -> Ends | None:
    """Return the way of a TLP: the name of its interface says the link, and which end sent it."""
    link, _, way = interface.removesuffix(_FLIT).rpartition(":")
    if way not in _WAYS:
        return None
    sender, receiver = _WAYS[way]
    return Ends(Place(link, "link", tuple(sorted((sender, receiver)))), sender, receiver)


def _named(record: Record, kind: str, source: str, destination: str) -> Ends:
    if source == destination:
        return Ends(Place(record.interface, kind))
    return Ends(Place(record.interface, kind, tuple(sorted((source, destination)))), source, destination)
