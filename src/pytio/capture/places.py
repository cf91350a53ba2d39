"""Where packets were captured, as numbers for the rows of the record index: a transport, and an interface's name."""

from __future__ import annotations

from typing import Final

from pytio._accel.pure_rows import LINK_DOE, LINK_MCTP
from pytio.capture.frames import LinkType
from pytio.spdm.secured import RecordTransport

__all__ = ("ROW_LINKS", "Place", "Places", "row_place")

Place = tuple[str | None, str | None]
"""Transport, and name of the interface."""

ROW_LINKS: Final[dict[int, tuple[int, str]]] = {
    LinkType.PCI_DOE: (LINK_DOE, RecordTransport.PCI_DOE.value),
    LinkType.MCTP: (LINK_MCTP, RecordTransport.MCTP.value),
}
"""Link types whose packets are messages, to the scanners' number for them and their transport."""

_MOST_SCANNED: Final = 1 << 16


class Places:
    """Every place that was met, numbered from 0."""

    def __init__(self) -> None:
        """Start with none."""
        self._numbers: dict[Place, int] = {}
        self.known: list[Place] = []

    def number(self, transport: str | None, interface: str | None) -> int:
        """Return the number of a place."""
        place = transport, interface
        if place not in self._numbers:
            self._numbers[place] = len(self.known)
            self.known.append(place)
        return self._numbers[place]

    def __getitem__(self, number: int) -> Place:
        """Return the place of a number."""
        return self.known[number]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.known)


def row_place(places: Places | None, link_type: int, interface: str | None) -> tuple[int, int]:
    """Return the scanners' number for a link and that of the place; 0 for what is not scanned."""
    if places is None or link_type not in ROW_LINKS:
        return 0, 0
    link, transport = ROW_LINKS[link_type]
    place = places.number(transport, interface)
    return (link, place) if place < _MOST_SCANNED else (0, 0)
