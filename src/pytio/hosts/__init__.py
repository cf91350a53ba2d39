"""Hosts: where protocol meets I/O. Engines are driven here, endpoints served, traffic tapped, URIs resolved.

`Driver` runs an SPDM requester on a transport (`pytio.hosts.aio.Driver` for asyncio), `Server` serves a responder,
`open_transport` and `open_host` open what a URI names, `Tap` writes what goes by.
"""

from pytio.hosts.registry import Host, open_host, open_transport, open_uri, schemes
from pytio.hosts.run import Driver
from pytio.hosts.server import Server
from pytio.hosts.tap import Tap, TappedTransport

__all__ = ("Driver", "Host", "Server", "Tap", "TappedTransport", "open_host", "open_transport", "open_uri", "schemes")
