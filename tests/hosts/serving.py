"""An example device on a real socket, and who asks it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pytio.backends.bindings import MCTP, Binding
from pytio.backends.socket import SocketAddress
from pytio.crypto import Certificate
from pytio.hosts import Server
from pytio.hosts.steps import Clock
from pytio.mock import Endpoint
from pytio.mock.example import example_config, example_endpoint
from pytio.spdm import Requester, RequesterConfig
from pytio.spdm.configuration import Trust

__all__ = ("address_of", "requester_for", "served")


@contextmanager
def served(
    binding: Binding = MCTP,
    endpoint: Endpoint | None = None,
    *,
    stops_when_told: bool = False,
    clock: Clock = time.monotonic,
) -> Iterator[Server]:
    """Serve an example device, or another one, in a thread until the block ends."""
    with Server(
        endpoint or example_endpoint(example_config(), binding=binding), stops_when_told=stops_when_told, clock=clock
    ) as server:
        thread = threading.Thread(target=server.serve, daemon=True)
        thread.start()
        yield server
    thread.join(timeout=10)
    assert not thread.is_alive()


def address_of(server: Server) -> SocketAddress:
    """Return where the server listens."""
    host, port = server.address
    return SocketAddress(host, port, server.responder.binding, timeout_s=5.0)


def requester_for(server: Server) -> Requester:
    """Return a requester that trusts the device behind a server."""
    endpoint = server.responder
    assert isinstance(endpoint, Endpoint)
    roots = tuple(Certificate(slot.certificates[0]) for slot in endpoint.spdm.config.slots.values())
    config = RequesterConfig(trust=Trust(roots=roots))
    record_format = endpoint.binding.record_format
    return Requester(config) if record_format is None else Requester(config, record_format=record_format)
