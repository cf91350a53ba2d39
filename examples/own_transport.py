"""A transport of one's own, in ten lines: it carries units to a device in the same process."""

from collections import deque

from pytio.backends.bindings import PCI_DOE
from pytio.hosts import Driver
from pytio.mock import Endpoint
from pytio.mock.example import example_config, example_endpoint
from pytio.spdm import Requester, RequesterConfig
from pytio.spdm.requests import Connect


class Loop:
    """Everything that a transport needs: a binding, and three methods."""

    binding = PCI_DOE

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint, self.units = endpoint, deque[bytes]()

    def write(self, unit: bytes) -> None:
        """Send a unit."""
        self.endpoint.receive(unit, now=0.0)
        self.units += iter(self.endpoint.bytes_to_send, None)

    def read(self, *, timeout_s: float | None = None) -> bytes:
        """Return the next unit."""
        return self.units.popleft()

    def close(self) -> None:
        """Let go."""


with Driver(Requester(RequesterConfig()), Loop(example_endpoint(example_config()))) as driver:
    driver.ask(Connect())
    print(driver.requester)
