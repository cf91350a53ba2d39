"""We answer: a device of ours behind a server, asked by their requester, live or recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pytio.backends.bindings import Binding
from pytio.crypto import Certificate, Provider
from pytio.mock import Endpoint
from pytio.mock.example import EXAMPLE_CAPABILITIES, example_config, example_endpoint
from pytio.spdm.algorithms import AeadSuite, BaseAsymAlgo, BaseHashAlgo, DheGroup, MeasurementHashAlgo
from pytio.spdm.capabilities import ResponderCapabilities
from pytio.spdm.configuration import AlgorithmSet, Limits, MutualAuthentication, Trust
from pytio.transports import PlatformCommand
from tests.peers.asking import NOW
from tests.peers.combinations import Combination
from tests.peers.identities import identity
from tests.peers.recording import Said

__all__ = ("NotedEndpoint", "endpoint_of")


def endpoint_of(one: Combination, provider: Provider, root: bytes | None) -> Endpoint:
    """Return the device of a combination; it trusts requesters under ``root``, or whoever comes."""
    capabilities = EXAMPLE_CAPABILITIES
    for name in one.added.split():
        capabilities |= _flag(name)
    for name in one.removed.split():
        capabilities &= ~_flag(name)
    settings: dict[str, Any] = {}
    if one.transfer_size is not None:
        settings["limits"] = Limits(data_transfer_size=one.transfer_size)
    if one.mutual:
        settings["mutual_authentication"] = MutualAuthentication[one.mutual]
        settings["has_basic_mutual_authentication"] = True
    config = example_config(
        identities={0: identity(one.asym), 1: identity(one.asym)},
        versions=(one.version,),
        capabilities=capabilities,
        algorithms=AlgorithmSet(
            hashes=(BaseHashAlgo[one.hash],),
            measurement_hashes=(MeasurementHashAlgo[one.hash],),
            asym=(BaseAsymAlgo[one.asym],),
            req_asym=(BaseAsymAlgo[one.req_asym],),
            dhe=(DheGroup[one.dhe],),
            aead=(AeadSuite[one.aead],),
            pqc_asym=(),
            req_pqc_asym=(),
            kem=(),
        ),
        trust=Trust(roots=None if root is None else (Certificate(root),), at=NOW),
        **settings,
    )
    return example_endpoint(config, binding=one.binding, provider=provider)


def _flag(name: str) -> ResponderCapabilities:
    known = ResponderCapabilities.__members__
    return known[name] if name in known else known[name + "_CAP"]


class NotedEndpoint:
    """An endpoint that tells what goes by, and keeps what happened."""

    def __init__(self, endpoint: Endpoint, note: Callable[[Said], None]) -> None:
        self._endpoint = endpoint
        self._note = note
        self._out_of_band = ""
        self.binding: Binding = endpoint.binding
        self.events: list[object] = []

    def receive(self, unit: bytes, *, now: float) -> Sequence[object]:
        self._note(Said(unit, is_request=True, out_of_band=self._out_of_band))
        self._out_of_band = ""
        events = self._endpoint.receive(unit, now=0.0)
        self.events += events
        return events

    def ask_for_key_update(self, session: int) -> None:
        self._out_of_band = f"{PlatformCommand.OOB_ENCAP_KEY_UPDATE.name} {session:#x}"
        self._endpoint.ask_for_key_update(session)

    def ask_for_endpoint_info(self) -> None:
        self._out_of_band = PlatformCommand.OOB_ENCAP_ENDPOINT_INFO.name
        self._endpoint.ask_for_endpoint_info()

    def bytes_to_send(self) -> bytes | None:
        unit = self._endpoint.bytes_to_send()
        if unit is not None:
            self._note(Said(unit, is_request=False))
        return unit
