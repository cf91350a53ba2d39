"""The example device of `pytio.mock.example`, for programs: its defaults, and a server that has it answer.

Nobody but the hosts knows the mocks; what a command needs of this one comes through here.
"""

from __future__ import annotations

from pytio.backends.bindings import PCI_DOE, Binding
from pytio.hosts.server import Server
from pytio.ids import Bdf
from pytio.mock.example import (
    EXAMPLE_CAPABILITIES,
    EXAMPLE_FUNCTION,
    EXAMPLE_HEARTBEAT_S,
    EXAMPLE_KEYS,
    EXAMPLE_PSK_HINT,
    example_config,
    example_endpoint,
)
from pytio.spdm import ResponderConfig

__all__ = (
    "EXAMPLE_CAPABILITIES",
    "EXAMPLE_FUNCTION",
    "EXAMPLE_HEARTBEAT_S",
    "EXAMPLE_KEYS",
    "EXAMPLE_PSK_HINT",
    "example_config",
    "example_server",
)


def example_server(
    config: ResponderConfig | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    binding: Binding = PCI_DOE,
    function: Bdf = EXAMPLE_FUNCTION,
    stops_when_told: bool = False,
) -> Server:
    """Return a server of the example device, already listening. Raises BackendUnavailableError as `Server` does."""
    endpoint = example_endpoint(config, binding=binding, function=function)
    return Server(endpoint, host, port, stops_when_told=stops_when_told)
