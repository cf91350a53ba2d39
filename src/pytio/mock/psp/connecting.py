"""What the firmware does with a device as a whole: authenticate it, key its streams, measure it.

Document: AMD 58271, "TIO_DEV_…"; the order of the messages is `SEV_A31`. Every conversation here changes the context
only where it has succeeded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from pytio.crypto import Secret
from pytio.errors import IdeKmPeerError, TdispPeerError
from pytio.idekm import KeyProg, KSetGo, Query
from pytio.ids import Direction, InterfaceId, KeySlot, StreamId, SubStream
from pytio.mock.psp.contexts import Conversation, DeviceContext
from pytio.mock.psp.line import Line
from pytio.mock.psp.refusal import Refused
from pytio.sev.codes import SevStatus
from pytio.sev.structures import SpdmAlgos
from pytio.sev.tio_codes import DataObjectType, SpdmAead, SpdmAsymmetric, SpdmDhe, SpdmHash
from pytio.spdm import GetMeasurements
from pytio.spdm.codes import MeasurementIndex
from pytio.spdm.events import CertificateRead, Measured
from pytio.spdm.messages.measurements import SlotIdParam
from pytio.spdm.requests import Connect, LeaveSession, ReadCertificate, ReadDigests
from pytio.spdm.transcript import joined
from pytio.tdisp import GetTdispCapabilities, GetTdispVersion

if TYPE_CHECKING:
    from pytio.mock.platform import RootPort
    from pytio.mock.psp.firmware import Psp

__all__ = ("connect", "key_streams", "leave", "measure", "read_certificates", "stop_streams")

_KEY_BYTES: Final = 32
_FIRST_IFV: Final = 1
_SUB_STREAMS: Final = (SubStream.PR, SubStream.NPR, SubStream.CPL)
_OTHER_END: Final = {Direction.RX: Direction.TX, Direction.TX: Direction.RX}
_WAYS: Final = {Direction.RX: "down", Direction.TX: "up"}
"""Which way a key of the device's port encrypts."""
_CODES: Final[Mapping[str, tuple[str, Mapping[str, int]]]] = {
    "dhe": ("dhe", {"SECP_256_R1": SpdmDhe.SECP256R1, "SECP_384_R1": SpdmDhe.SECP384R1}),
    "aead": ("aead", {"AES_128_GCM": SpdmAead.AES_128_GCM, "AES_256_GCM": SpdmAead.AES_256_GCM}),
    "asym": (
        "base_asym",
        {
            "RSASSA_3072": SpdmAsymmetric.RSASSA_3072,
            "ECDSA_P256": SpdmAsymmetric.ECDSA_P256,
            "ECDSA_P384": SpdmAsymmetric.ECDSA_P384,
        },
    ),
    "hash": ("base_hash", {"SHA_256": SpdmHash.SHA_256, "SHA_384": SpdmHash.SHA_384}),
}
"""SPDM_ALGOS: what was negotiated as what, and its codes."""


def connect(psp: Psp, device: DeviceContext, line: Line) -> Conversation[bytes]:
    """Authenticate the device, start its session, key its streams; return the certificate chain.

    Raises what the engines raise; refuses with ERR_IN_DEV_CONN where it fails once the session is there.
    """
    yield from line.ask(Connect())
    yield from line.ask(ReadDigests())
    chain = yield from read_certificates(line, device.cert_slot)
    yield from line.start_session(device.cert_slot)
    device.algos = _algos(line)
    try:
        yield from _set_up(psp, device, line)
    except (IdeKmPeerError, TdispPeerError) as error:
        raise Refused(SevStatus.ERR_IN_DEV_CONN, str(error)) from error
    return chain


def _set_up(psp: Psp, device: DeviceContext, line: Line) -> Conversation[None]:
    interface = InterfaceId.of(device.bdf)
    yield from line.ask_tdisp(GetTdispVersion(interface_id=interface))
    yield from line.ask_tdisp(GetTdispCapabilities(interface_id=interface))
    yield from line.ask_idekm(Query())
    yield from key_streams(psp, device, line, key_set=0)


def _algos(line: Line) -> SpdmAlgos:
    agreed = line.spdm.negotiated
    codes: dict[str, Any] = {name: table[str(getattr(agreed, field).name)] for name, (field, table) in _CODES.items()}
    return SpdmAlgos(**codes)


def read_certificates(line: Line, slot: int, *, in_session: bool = False) -> Conversation[bytes]:
    """Return the certificate chain of a slot, as GET_CERTIFICATE gives it."""
    learnt = yield from line.ask(ReadCertificate(slot=slot), in_session=in_session)
    [read] = [event for event in learnt if isinstance(event, CertificateRead)]
    return read.chain


def key_streams(psp: Psp, device: DeviceContext, line: Line, *, key_set: int) -> Conversation[None]:
    """Give both ends of every stream the keys of a key set, and switch them on, receivers first.

    Raises IdeKmPeerError where one end refuses a key, since it still uses the key set or knows no such stream.
    """
    line.forget_keys()
    root_port = psp.root_port_of(device)
    for stream_id in device.streams.values():
        for slot in _slots(key_set):
            key = Secret(psp.provider.nonce(_KEY_BYTES))
            _tell(psp, device, stream_id, slot, key)
            yield from line.ask_idekm(KeyProg.of(stream_id=stream_id, slot=slot, aes_key=key.reveal(), ifv=_FIRST_IFV))
            other_end = slot.replace(direction=_OTHER_END[slot.direction])
            root_port.ide.program(stream_id, other_end, key, _FIRST_IFV)
    for stream_id in device.streams.values():
        for direction in (Direction.RX, Direction.TX):
            slots = tuple(_slots(key_set, (direction,)))
            for slot in slots:
                yield from line.ask_idekm(KSetGo(stream_id=stream_id, slot=slot))
            for slot in slots:  # where Enable is set already, configuration requests go by IDE from here on
                root_port.ide.go(stream_id, slot)
    device.key_set = key_set


def stop_streams(psp: Psp, device: DeviceContext) -> None:
    """Destroy the root port's keys of a device's streams."""
    root_port: RootPort = psp.root_port_of(device)
    for stream_id in device.streams.values():
        for key_set in (0, 1):
            for slot in _slots(key_set):
                root_port.ide.stop(stream_id, slot)


def _slots(key_set: int, directions: tuple[Direction, ...] = (Direction.RX, Direction.TX)) -> Iterator[KeySlot]:
    for direction in directions:
        for sub_stream in _SUB_STREAMS:
            yield KeySlot(key_set=key_set, direction=direction, sub_stream=sub_stream)


def _tell(psp: Psp, device: DeviceContext, stream_id: StreamId, slot: KeySlot, key: Secret) -> None:
    name = f"{device.bdf}/{stream_id:02x}/K{slot.key_set}/{slot.sub_stream.name}/{_WAYS[slot.direction]}"
    psp.on_secret("IDE", name, key)


def measure(
    psp: Psp, device: DeviceContext, line: Line, *, nonce: bytes, is_raw: bool
) -> Conversation[tuple[bytes, DataObjectType]]:
    """Return signed measurements, taken in the session with a nonce, and how they are laid out."""
    request = GetMeasurements(
        version=line.spdm.version,
        signature_requested=True,
        raw_bit_stream_requested=is_raw,
        measurement_operation=MeasurementIndex.ALL,
        nonce=nonce,
        slot_id_param=SlotIdParam(slot_id=device.cert_slot),
        requester_context=line.spdm.new_context(),
    )
    learnt = yield from line.ask(request, in_session=True)
    [measured] = [event.measurements for event in learnt if isinstance(event, Measured)]
    layout = psp.config.measurement_object_of(psp.revision)
    if layout is DataObjectType.RECORD:
        return b"".join(block.build() for block in measured.measurement_record), layout
    return joined(line.spdm.transcript.vca) + request.build() + measured.build(), layout


def leave(line: Line) -> Conversation[None]:
    """End the session, and say so to the device."""
    yield from line.ask(LeaveSession(), in_session=True)
