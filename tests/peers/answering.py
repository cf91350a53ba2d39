"""We answer: a device of ours behind a server, asked by their requester, live or recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from pytio.backends.bindings import Binding
from pytio.crypto import Certificate, Provider
from pytio.mock import Endpoint
from pytio.mock.example import EXAMPLE_KEYS, example_config, example_endpoint
from pytio.spdm.algorithms import (
    AeadSuite,
    BaseAsymAlgo,
    BaseHashAlgo,
    DheGroup,
    KemAlgo,
    MeasurementHashAlgo,
    PqcAsymAlgo,
)
from pytio.spdm.capabilities import ResponderCapabilities as P
from pytio.spdm.codes import MeasurementValueType
from pytio.spdm.configuration import AlgorithmSet, Limits, Measurement, MutualAuthentication, Trust
from pytio.transports import PlatformCommand
from tests.peers.asking import NOW
from tests.peers.combinations import Combination
from tests.peers.identities import identity
from tests.peers.recording import Said

__all__ = ("NotedEndpoint", "endpoint_of")


CAPABILITIES: Final = (
    P.CERT_CAP
    | P.CHAL_CAP
    | P.MEAS_CAP_SIG
    | P.MEAS_FRESH_CAP
    | P.ENCRYPT_CAP
    | P.MAC_CAP
    | P.MUT_AUTH_CAP
    | P.KEY_EX_CAP
    | P.PSK_CAP_WITH_CONTEXT
    | P.ENCAP_CAP
    | P.HBEAT_CAP
    | P.KEY_UPD_CAP
    | P.HANDSHAKE_IN_THE_CLEAR_CAP
    | P.CHUNK_CAP
    | P.EP_INFO_CAP_SIG
    | P.MEL_CAP
    | P.LARGE_RESP_CAP
)
"""What we can unless a combination says otherwise: fixed here, so that recorded sessions stay true."""
MEASUREMENTS: Final = (
    Measurement(1, MeasurementValueType.IMMUTABLE_ROM, b"boot ROM", is_in_tcb=True),
    Measurement(2, MeasurementValueType.MUTABLE_FIRMWARE, b"firmware", is_in_tcb=True),
    Measurement(0x10, MeasurementValueType.SECURE_VERSION_NUMBER, (7).to_bytes(8, "little"), is_raw_only=True),
    Measurement(0xFD, MeasurementValueType.FREEFORM_MANIFEST, bytes(range(64)), is_raw_only=True),
    Measurement.device_mode(),
)


def endpoint_of(one: Combination, provider: Provider, root: bytes | None) -> Endpoint:
    """Return the device of a combination; it trusts requesters under ``root``, or whoever comes."""
    capabilities = CAPABILITIES
    for name in one.added.split():
        capabilities |= _flag(name)
    for name in one.removed.split():
        capabilities &= ~_flag(name)
    settings: dict[str, Any] = {}
    if one.mutual:
        settings["mutual_authentication"] = MutualAuthentication[one.mutual]
        settings["has_basic_mutual_authentication"] = True
    config = example_config(
        identities={slot: identity(one.signature) for slot in ((0,) if one.is_post_quantum else (0, 1))},
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
        limits=Limits(data_transfer_size=one.transfer_size or 0x1200, max_spdm_msg_size=0x28000, ct_exponent=20),
        measurements=MEASUREMENTS,
        pre_shared_keys=EXAMPLE_KEYS,
        heartbeat_period_s=240,
        checks_installed_keys=False,
        trust=Trust(roots=None if root is None else (Certificate(root),), at=NOW),
        **settings,
    )
    return example_endpoint(config, binding=one.binding, provider=provider)


def _flag(name: str) -> P:
    known = P.__members__
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

    def wake_at(self) -> float | None:
        return None  # recorded sessions know no time

    def wake(self, now: float) -> Sequence[object]:
        return []

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
