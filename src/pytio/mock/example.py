"""A working device in milliseconds: fresh keys and certificates, measurements, an IDE port and an interface.

For examples, for `pytio respond`, and as a place to start: everything here is data for the configuration of an
`Endpoint`, and can be replaced. Keys are drawn from the library.
"""

from __future__ import annotations

from typing import Any, Final

from pytio import idekm, spdm, tdisp
from pytio.backends.bindings import PCI_DOE, Binding
from pytio.crypto import Provider, Secret
from pytio.crypto.issuing import IssuedChain, issue_chain
from pytio.ids import Bdf, StreamId
from pytio.mock.endpoint import Endpoint, is_stream_keyed
from pytio.mock.keyed_port import KeyedPort
from pytio.mock.tdi import MockTdi
from pytio.spdm import algorithms
from pytio.spdm.algorithms import BaseAsymAlgo, PqcAsymAlgo
from pytio.spdm.capabilities import ResponderCapabilities
from pytio.spdm.codes import MeasurementValueType
from pytio.spdm.configuration import KeyPair, Measurement, Slot
from pytio.spdm.messages.measurement_log import DmtfMeasurementExtensionLog, MeasurementExtensionLogEntry
from pytio.spdm.messages.measurements import DmtfMeasurement

__all__ = (
    "EXAMPLE_CAPABILITIES",
    "EXAMPLE_FUNCTION",
    "EXAMPLE_HEARTBEAT_S",
    "EXAMPLE_KEYS",
    "EXAMPLE_MEASUREMENTS",
    "EXAMPLE_MEASUREMENT_LOG",
    "EXAMPLE_PSK",
    "EXAMPLE_PSK_HINT",
    "example_config",
    "example_endpoint",
)

EXAMPLE_FUNCTION: Final = Bdf.parse("0000:be:1d.7")
"""The function that the example's interface is hosted by: the one that DMTF's emulator asks for."""
EXAMPLE_PSK_HINT: Final = b"TestPskHint\0"
"""The hint of the example's pre-shared key, with its terminating zero: the emulator's."""
EXAMPLE_PSK: Final = Secret(b"TestPskData\0")
"""The example's pre-shared key, which everybody knows: the emulator's."""
EXAMPLE_KEYS: Final = {EXAMPLE_PSK_HINT: EXAMPLE_PSK, b"": EXAMPLE_PSK}
"""The example's pre-shared keys by hint; an empty hint also selects it."""
EXAMPLE_CAPABILITIES: Final = (
    spdm.ResponderConfig().capabilities
    | ResponderCapabilities.HANDSHAKE_IN_THE_CLEAR_CAP
    | ResponderCapabilities.PSK_CAP_WITH_CONTEXT
    | ResponderCapabilities.MUT_AUTH_CAP
    | ResponderCapabilities.MEL_CAP
    | ResponderCapabilities.EP_INFO_CAP_SIG
    | ResponderCapabilities.CSR_CAP
    | ResponderCapabilities.SET_CERT_CAP
    | ResponderCapabilities.GET_KEY_PAIR_INFO_CAP
    | ResponderCapabilities.SET_KEY_PAIR_INFO_CAP
)
"""What the example can: all that its configuration has data for."""
EXAMPLE_MEASUREMENT_LOG: Final = DmtfMeasurementExtensionLog(
    mel_entries=tuple(
        MeasurementExtensionLogEntry(
            mel_index=number,
            measurement_index=2,
            measurement=DmtfMeasurement(
                value_type=MeasurementValueType.INFORMATIONAL, is_raw_bit_stream=True, value=text
            ),
        )
        for number, text in enumerate((b"loader", b"firmware"), start=1)
    )
)
"""What the example's measurement 2 is made of."""
EXAMPLE_HEARTBEAT_S: Final = 240
"""The heartbeat period of the example's sessions."""
EXAMPLE_MEASUREMENTS: Final = (
    Measurement(1, MeasurementValueType.IMMUTABLE_ROM, b"boot ROM", is_in_tcb=True),
    Measurement(2, MeasurementValueType.MUTABLE_FIRMWARE, b"firmware", is_in_tcb=True),
    Measurement(3, MeasurementValueType.HARDWARE_CONFIGURATION, b"straps"),
    Measurement(4, MeasurementValueType.FIRMWARE_CONFIGURATION, b"settings"),
    Measurement(0x10, MeasurementValueType.SECURE_VERSION_NUMBER, (7).to_bytes(8, "little"), is_raw_only=True),
    Measurement(0xFD, MeasurementValueType.FREEFORM_MANIFEST, b"what the maker has to say", is_raw_only=True),
    Measurement.device_mode(),
)
"""What the example measures."""
_PORTS: Final = (0, 1)
"""Port 0 is the device's own; hosts in the wild ask for port 1."""


def example_config(
    asym: BaseAsymAlgo | PqcAsymAlgo = BaseAsymAlgo.ECDSA_P384,
    *,
    identities: dict[int, IssuedChain] | None = None,
    **changes: Any,
) -> spdm.ResponderConfig:
    """Return the configuration of a responder with an identity in slots 0 and 1; ``changes`` are fields of it.

    ``identities`` gives chains and keys by slot instead. Raises UnsupportedAlgorithmError if the library lacks the
    algorithm; TypeError for a field that there is not.
    """
    if identities is None:
        algorithm = algorithms.signature_algorithm(asym)
        identities = {slot: issue_chain(algorithm) for slot in (0, 1)}
    settings: dict[str, Any] = {
        "key_pairs": tuple(KeyPair(identity.key) for identity in identities.values()),
        "slots": {
            slot: Slot(identity.certificates, key_pair_id=number)
            for number, (slot, identity) in enumerate(identities.items(), start=1)
        },
        "measurements": EXAMPLE_MEASUREMENTS,
        "measurement_log": EXAMPLE_MEASUREMENT_LOG,
        "pre_shared_keys": EXAMPLE_KEYS,
        "capabilities": EXAMPLE_CAPABILITIES,
        "heartbeat_period_s": EXAMPLE_HEARTBEAT_S,
    }
    return spdm.ResponderConfig(**(settings | changes))


def example_endpoint(
    config: spdm.ResponderConfig | None = None,
    *,
    binding: Binding = PCI_DOE,
    function: Bdf = EXAMPLE_FUNCTION,
    provider: Provider | None = None,
) -> Endpoint:
    """Return an endpoint with SPDM, IDE_KM for two ports, and TDISP for the interface that ``function`` hosts."""
    ports: dict[int, idekm.IdePort] = {index: KeyedPort(function) for index in _PORTS}
    ide = idekm.Responder(ports)

    def is_keyed(stream_id: StreamId, session: int) -> bool:
        return is_stream_keyed(ide, stream_id, session)

    interfaces = tdisp.Responder({function: MockTdi(is_stream_keyed=is_keyed)}, provider=provider)
    return Endpoint(config or example_config(), binding=binding, ide=ide, interfaces=interfaces, provider=provider)
