"""A requester wired to a responder, back to back, with identities that are made once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import attrs

from pytio.crypto import Certificate, ChainRole, Secret, SignatureAlgorithm
from pytio.crypto.issuing import IssuedChain, issue_chain
from pytio.spdm import algorithms
from pytio.spdm.algorithms import BaseAsymAlgo, PqcAsymAlgo
from pytio.spdm.codes import MeasurementValueType, SpdmVersion
from pytio.spdm.configuration import (
    KeyPair,
    Measurement,
    RequesterConfig,
    ResponderConfig,
    Slot,
    Trust,
)
from pytio.spdm.endpoint import Outgoing
from pytio.spdm.events import Event
from pytio.spdm.messages.base import SpdmMessage
from pytio.spdm.requester import Requester
from pytio.spdm.requests import Connect, Intent
from pytio.spdm.responder import Responder
from pytio.spdm.secured import RECORD_FORMATS, RecordTransport

PSK_HINT = b"hint"
PSK = Secret(b"a pre-shared key")

MEASUREMENTS = (
    Measurement(1, MeasurementValueType.IMMUTABLE_ROM, b"\x01" * 72, is_in_tcb=True),
    Measurement(2, MeasurementValueType.MUTABLE_FIRMWARE, b"\x02" * 72),
    Measurement(0x10, MeasurementValueType.SECURE_VERSION_NUMBER, (7).to_bytes(8, "little"), is_raw_only=True),
    Measurement(0xFD, MeasurementValueType.FREEFORM_MANIFEST, b"manifest", is_raw_only=True),
    Measurement.device_mode(),
)


def identity(
    selected: BaseAsymAlgo | PqcAsymAlgo, role: ChainRole = ChainRole.RESPONDER, number: int = 0
) -> IssuedChain:
    """Return one of several chains and keys, the same each time."""
    return _identity(algorithms.signature_algorithm(selected), role, number)


@cache
def _identity(algorithm: SignatureAlgorithm, role: ChainRole, number: int) -> IssuedChain:
    """Issue it; bits of two kinds of algorithms would be equal keys of a cache."""
    return issue_chain(algorithm, role=role)


def trust_in(*chains: IssuedChain) -> Trust:
    """Return trust in the roots of chains."""
    return Trust(roots=tuple(Certificate(chain.root) for chain in chains))


def responder_config(asym: BaseAsymAlgo | PqcAsymAlgo = BaseAsymAlgo.ECDSA_P256, **changes: Any) -> ResponderConfig:
    """Return a responder with one slot and five measurements."""
    chain = identity(asym)
    settings: dict[str, Any] = {
        "key_pairs": (KeyPair(chain.key),),
        "slots": {0: Slot(chain.certificates)},
        "measurements": MEASUREMENTS,
        "pre_shared_keys": {PSK_HINT: PSK},
    }
    return ResponderConfig(**(settings | changes))


def requester_config(asym: BaseAsymAlgo | PqcAsymAlgo = BaseAsymAlgo.ECDSA_P256, **changes: Any) -> RequesterConfig:
    """Return a requester that trusts that responder."""
    settings: dict[str, Any] = {"trust": trust_in(identity(asym)), "pre_shared_keys": {PSK_HINT: PSK}}
    return RequesterConfig(**(settings | changes))


@attrs.define
class Pair:
    """Both roles, and everything that went over the wire."""

    requester: Requester
    responder: Responder
    now: float = 1000.0
    wire: list[tuple[str, Outgoing]] = attrs.field(factory=list)
    answered: list[Event] = attrs.field(factory=list)
    tap: Callable[[str, Outgoing], bytes] | None = None

    def run(self, request: Intent | SpdmMessage, session: int | None = None) -> list[Event]:
        """Ask, and carry messages until it is answered; return the requester's events."""
        self.requester.send(request, session=session, now=self.now)
        return self.settle()

    def settle(self) -> list[Event]:
        """Carry messages until nothing moves, letting time pass where somebody waits."""
        events: list[Event] = []
        while True:
            moved = False
            while (request := self.requester.bytes_to_send()) is not None:
                moved = True
                self.answered += self.responder.receive(
                    self._carry("request", request), now=self.now, is_secured=request.is_secured
                )
                while (response := self.responder.bytes_to_send()) is not None:
                    data = self._carry("response", response)
                    events += self.requester.receive(data, now=self.now, is_secured=response.is_secured)
            if self.requester.is_idle or moved:
                if not moved:
                    return events
                continue
            until = self.requester.wake_at()
            assert until is not None, "the requester waits for ever"
            self.now = max(self.now, until)
            events += self.requester.wake(self.now)

    def _carry(self, side: str, message: Outgoing) -> bytes:
        self.wire.append((side, message))
        return self.tap(side, message) if self.tap is not None else message

    def connect(self) -> list[Event]:
        """Negotiate."""
        return self.run(Connect())


def pair(
    requester: RequesterConfig | None = None,
    responder: ResponderConfig | None = None,
    transport: RecordTransport = RecordTransport.PCI_DOE,
) -> Pair:
    """Wire two endpoints."""
    form = RECORD_FORMATS[transport]
    return Pair(
        Requester(requester or requester_config(), record_format=form),
        Responder(responder or responder_config(), record_format=form),
    )


def connected_pair(version: SpdmVersion = SpdmVersion.V1_2, **settings: Any) -> Pair:
    """Wire two endpoints that have negotiated a version."""
    two = pair(
        settings.pop("requester", None) or requester_config(versions=(version,)),
        settings.pop("responder", None) or responder_config(),
        **settings,
    )
    two.connect()
    return two
