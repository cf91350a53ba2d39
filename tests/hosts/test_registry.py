"""From a URI to a backend."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import EntryPoint

import pytest

from pytio.backends.bindings import MCTP, PCI_DOE
from pytio.backends.socket import SocketAddress, SocketTransport
from pytio.errors import BackendUnavailableError
from pytio.hosts import open_transport, open_uri, registry, schemes
from tests.hosts.serving import served


def test_every_built_in_scheme_leads_somewhere() -> None:
    for module, name in registry.SCHEMES.values():
        assert callable(getattr(import_module(module), name))
    assert set(registry.SCHEMES) <= set(schemes())


def test_a_socket_is_opened_by_its_uri() -> None:
    with served(MCTP) as server:
        host, port = server.address
        transport = open_transport(f"socket://{host}:{port}?transport=mctp&timeout=5")
        assert isinstance(transport, SocketTransport)
        assert transport.binding is MCTP
        transport.end()


@pytest.mark.parametrize(
    ("uri", "host", "port", "binding"),
    [
        ("socket://localhost", "localhost", 2323, PCI_DOE),
        ("socket://10.0.0.1:99?transport=mctp", "10.0.0.1", 99, MCTP),
        ("socket://[::1]:7", "::1", 7, PCI_DOE),
    ],
)
def test_what_a_uri_says(uri: str, host: str, port: int, binding: object) -> None:
    address = SocketAddress.parse(uri)
    assert (address.host, address.port, address.binding) == (host, port, binding)


def test_tcp_has_a_port_of_its_own() -> None:
    assert SocketAddress.parse("socket://localhost?transport=tcp").port == 4194


@pytest.mark.parametrize("uri", ["socket:", "socket://h?transport=usb", "socket://h/path", "socket://h?color=red"])
def test_bad_uris(uri: str) -> None:
    with pytest.raises(ValueError, match=r"socket://|usb|color"):
        open_uri(uri)


def test_an_unknown_scheme_says_which_there_are() -> None:
    with pytest.raises(BackendUnavailableError, match=r"no backend for usb: \(there is .*socket"):
        open_uri("usb:1-2")


def test_nobody_listens() -> None:
    with served() as server:
        host, port = server.address
    with pytest.raises(BackendUnavailableError, match="is a responder listening"):
        open_uri(f"socket://{host}:{port}")


def test_a_third_party_adds_a_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point is asked with the URI; it cannot take a built-in scheme's place."""
    points = [
        EntryPoint("upper", "builtins:str.upper", registry.GROUP),
        EntryPoint("socket", "builtins:str.upper", registry.GROUP),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda *, group: points)
    registry._others.cache_clear()
    try:
        assert "upper" in schemes()
        assert open_uri("upper:case") == "UPPER:CASE"
        with pytest.raises(BackendUnavailableError, match="it is no transport"):
            open_transport("upper:case")
        with pytest.raises(ValueError, match="is not socket"):
            open_uri("socket:")
    finally:
        monkeypatch.undo()
        registry._others.cache_clear()
