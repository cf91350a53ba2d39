"""We ask: a requester of ours against their responder, live or recorded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from pytio.backends.base import Transport
from pytio.backends.bindings import Binding
from pytio.backends.socket import SocketTransport
from pytio.cli.spdm_exchanges import EXCHANGES, Conversation
from pytio.crypto import Certificate, ChainRole, KemAlgorithm, Provider, SignatureAlgorithm
from pytio.errors import BackendTimeoutError
from pytio.hosts import Driver
from pytio.mock.example import EXAMPLE_KEYS
from pytio.spdm import Requester, RequesterConfig
from pytio.spdm.algorithms import (
    AeadSuite,
    BaseAsymAlgo,
    BaseHashAlgo,
    DheGroup,
    KemAlgo,
    MeasurementHashAlgo,
    PqcAsymAlgo,
)
from pytio.spdm.capabilities import RequesterCapabilities as R
from pytio.spdm.configuration import AlgorithmSet, KeyPair, Limits, Slot, Trust
from tests.peers.combinations import Combination
from tests.peers.identities import identity
from tests.peers.recording import Said

__all__ = ("NOW", "Replayed", "Noted", "converse", "requester_of", "skip_without")

NOW: Final = datetime(2026, 11, 25, tzinfo=UTC)


CAPABILITIES: Final = (
    R.ENCRYPT_CAP
    | R.MAC_CAP
    | R.KEY_EX_CAP
    | R.HBEAT_CAP
    | R.KEY_UPD_CAP
    | R.CHUNK_CAP
    | R.LARGE_RESP_CAP
    | R.ENCAP_CAP
)
"""What we can unless a combination says otherwise: fixed here, so that recorded sessions stay true."""


def skip_without(one: Combination) -> None:
    """Skip a test, saying so, where the installed cryptography lacks what the combination needs."""
    if one.pqc and not (SignatureAlgorithm[one.pqc].is_supported() and KemAlgorithm[one.kem].is_supported()):
        pytest.skip(f"the installed cryptography lacks {one.pqc} or {one.kem}")


def requester_of(one: Combination, provider: Provider, root: bytes | None) -> Requester:
    """Return the requester of a combination; it trusts ``root``, or whoever it meets."""
    capabilities = CAPABILITIES
    for name in one.added.split():
        capabilities |= _flag(name)
    for name in one.removed.split():
        capabilities &= ~_flag(name)
    settings: dict[str, Any] = {}
    if R.MUT_AUTH_CAP in capabilities:
        ours = identity(one.req_asym, ChainRole.REQUESTER)
        settings |= {"key_pairs": (KeyPair(ours.key),), "slots": {0: Slot(ours.certificates)}}
    config = RequesterConfig(
        versions=(one.version,),
        capabilities=capabilities,
        algorithms=AlgorithmSet(
            hashes=(BaseHashAlgo[one.hash],),
            measurement_hashes=(MeasurementHashAlgo[one.hash],),
            asym=() if one.pqc else (BaseAsymAlgo[one.asym],),
            req_asym=(BaseAsymAlgo[one.req_asym],),
            dhe=() if one.kem else (DheGroup[one.dhe],),
            aead=(AeadSuite[one.aead],),
            pqc_asym=(PqcAsymAlgo[one.pqc],) if one.pqc else (),
            req_pqc_asym=(),
            kem=(KemAlgo[one.kem],) if one.kem else (),
        ),
        pre_shared_keys=EXAMPLE_KEYS,
        limits=Limits(data_transfer_size=one.transfer_size or 0x1200, max_spdm_msg_size=0x28000, ct_exponent=20),
        trust=Trust(roots=None if root is None else (Certificate(root),), at=NOW),
        **settings,
    )
    record_format = one.binding.record_format
    options: dict[str, Any] = {} if record_format is None else {"record_format": record_format}
    return Requester(config, provider=provider, **options)


def _flag(name: str) -> R:
    known = R.__members__
    return known[name] if name in known else known[name + "_CAP"]


def converse(one: Combination, requester: Requester, transport: Transport, provider: Provider) -> list[str]:
    """Say everything; return the names of what was learnt."""
    driver = Driver(requester, transport, clock=lambda: 0.0)
    conversation = Conversation(driver, provider=provider)
    learnt: list[str] = []
    for name in ("connect", *one.says.split()):
        if name in OUT_OF_BAND:
            OUT_OF_BAND[name](transport, conversation.session or 0)
            name = "encapsulated"  # noqa: PLW2901  what was asked for is answered there
        learnt += [type(event).__name__ for event in EXCHANGES[name](conversation)]
    return learnt


def _ask_for_key_update(transport: Any, session: int) -> None:
    transport.ask_for_key_update(session)


def _ask_for_endpoint_info(transport: Any, _: int) -> None:
    transport.ask_for_endpoint_info()


OUT_OF_BAND: Final = {"their-key-update": _ask_for_key_update, "their-endpoint-info": _ask_for_endpoint_info}
"""What the emulator is told beside the units: to ask us, in the encapsulated flow."""


class Noted:
    """A transport around another one, which tells what goes by."""

    def __init__(self, transport: SocketTransport, note: Callable[[Said], None]) -> None:
        self._transport = transport
        self._note = note
        self.binding: Binding = transport.binding

    def write(self, unit: bytes) -> None:
        self._note(Said(unit, is_request=True))
        self._transport.write(unit)

    def read(self, *, timeout_s: float | None = None) -> bytes:
        unit = self._transport.read(timeout_s=timeout_s)
        self._note(Said(unit, is_request=False))
        return unit

    def ask_for_key_update(self, session: int) -> None:
        self._transport.ask_for_key_update(session)

    def ask_for_endpoint_info(self) -> None:
        self._transport.ask_for_endpoint_info()

    def close(self) -> None: ...


class Replayed:
    """A transport that answers as was recorded, and asks to be told exactly what was said then."""

    def __init__(self, binding: Binding, said: list[Said]) -> None:
        self.binding = binding
        self._left = deque(said)

    def write(self, unit: bytes) -> None:
        said = self._left.popleft()
        assert said.is_request
        assert unit == said.unit

    def read(self, *, timeout_s: float | None = None) -> bytes:
        if not self._left or self._left[0].is_request:
            raise BackendTimeoutError("replay", "nothing was said here")
        return self._left.popleft().unit

    def ask_for_key_update(self, session: int) -> None: ...

    def ask_for_endpoint_info(self) -> None: ...

    @property
    def is_over(self) -> bool:
        """Whether everything was said."""
        return not self._left

    def close(self) -> None: ...
