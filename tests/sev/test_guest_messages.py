"""Guest messages: their sizes, their numbers by revision, and the envelope with its golden bytes."""

from __future__ import annotations

from hashlib import sha256, sha384

import pytest

from pytio.errors import VerificationError
from pytio.sev import guest_messages as messages
from pytio.sev.guest_envelope import MOST_PAYLOAD_BYTES, GuestMessage, SecretsPage, open_message, seal_message
from pytio.sev.structures import SpdmAlgos
from pytio.sev.tio_codes import (
    GuestMessageStatus,
    GuestMessageType,
    GuestMessageTypeR1,
    MeasurementFlags,
    MmioValidateStatus,
    MmioValidateStatusR1,
    Revision,
)

KEY = bytes(range(32))
# request and response bytes of TDI_INFO, MMIO_VALIDATE, MMIO_CONFIG, SDTE_WRITE
SIZES = {
    Revision.R1: (16, 176, 48, 48, 16, 16, 80, 16),
    Revision.R2: (16, 192, 48, 48, 16, 16, 80, 16),
    Revision.P2: (16, 192, 48, 48, 16, 16, 80, 16),
    Revision.N: (16, 192, 48, 48, 32, 32, 80, 16),
}


@pytest.mark.parametrize("revision", SIZES, ids=lambda revision: revision.name)
def test_sizes_and_numbers(revision: Revision) -> None:
    numbers = GuestMessageTypeR1 if revision in {Revision.R1, Revision.R2} else GuestMessageType
    names = [
        f"TIO_{name}_{side}"
        for name in ("TDI_INFO", "MMIO_VALIDATE", "MMIO_CONFIG", "SDTE_WRITE")
        for side in ("REQ", "RSP")
    ]
    table = messages.GUEST_MESSAGES[revision]
    assert tuple(table[numbers[name]].fixed_size() for name in names) == SIZES[revision]
    assert set(table) == {numbers[name] for name in names}
    assert messages.MESSAGE_VERSIONS[revision] == (2 if revision is Revision.N else 1)


def test_a_response_has_its_requests_number() -> None:
    for new in ("TDI_INFO", "MMIO_VALIDATE", "MMIO_CONFIG", "SDTE_WRITE"):
        assert GuestMessageType[f"TIO_{new}_RSP"] == GuestMessageType[f"TIO_{new}_REQ"] + 1
        assert GuestMessageTypeR1[f"TIO_{new}_RSP"] == GuestMessageTypeR1[f"TIO_{new}_REQ"] - 0x80


def test_not_io_moved_the_numbers_after_it() -> None:
    for status in MmioValidateStatusR1:
        moved = int(status) + (status >= MmioValidateStatusR1.NOT_UNIFORM)
        assert MmioValidateStatus[status.name] == moved


@pytest.mark.parametrize(
    ("msg_type", "tag"),
    [(19, "aa747654bf2b8b34aab9432baefe8ed8"), (0x81, "c4da7e4a9a173d6a543b86c1f14950c8")],
)
def test_the_golden_request(msg_type: int, tag: str) -> None:
    plaintext = messages.TdiInfoReq(guest_device_id=0x0100).build()
    sealed = seal_message(KEY, GuestMessage(msg_seqno=1, msg_type=msg_type, payload=b""), plaintext)
    assert sealed.authtag.hex() == tag
    assert sealed.payload.hex() == "e22d823fa4afec074a0405c33cc188cb"
    assert open_message(KEY, GuestMessage.parse(sealed.build())) == plaintext


def test_the_golden_response() -> None:
    response = messages.TdiInfoRsp(
        guest_device_id=0x0100,
        status=GuestMessageStatus.BOUND,
        meas_flags=MeasurementFlags.MEAS_DIGEST_VALID,
        spdm_algos=SpdmAlgos.parse((0x01020101).to_bytes(8, "little")),
        certs_digest=sha384(b"certs").digest(),
        meas_digest=sha384(b"meas").digest(),
        interface_report_digest=sha384(b"report").digest(),
        tdi_report_count=1,
    )
    sealed = seal_message(KEY, GuestMessage(msg_seqno=2, msg_type=20, payload=b""), response.build()).build()
    assert sealed[:16].hex() == "86ffd7e4197d7550b53b7db6238e9154"
    assert sealed[0x30:0x40].hex() == "010160001401c0000000000000000000"
    assert sha256(sealed).hexdigest() == "9b97923565b75b4304f3cf9d22b28b58ce2d66c195d7a9e33f3ee3369e29f29e"


def test_what_the_tag_covers() -> None:
    sealed = seal_message(KEY, GuestMessage(msg_seqno=1, msg_type=19, payload=b""), bytes(16))
    raw = sealed.build()
    for at in range(len(raw)):
        changed = (
            GuestMessage.parse(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]) if at not in {0x36, 0x37} else None
        )
        if changed is None:
            continue  # the size: the message does not even decode
        covered = not (0x10 <= at < 0x20 or 0x28 <= at < 0x30)  # reserved bytes before the header proper
        if covered:
            with pytest.raises(VerificationError):
                open_message(KEY, changed)
        else:
            assert open_message(KEY, changed) == bytes(16)


def test_a_payload_has_to_fit() -> None:
    header = GuestMessage(msg_seqno=1, msg_type=19, payload=b"")
    assert len(seal_message(KEY, header, bytes(MOST_PAYLOAD_BYTES)).build()) == 96 + MOST_PAYLOAD_BYTES
    with pytest.raises(ValueError, match="does not fit"):
        seal_message(KEY, header, bytes(MOST_PAYLOAD_BYTES + 1))
    with pytest.raises(ValueError, match="32 bytes"):
        seal_message(KEY[:16], header, b"")


def test_the_secrets_page_hides_its_keys() -> None:
    page = SecretsPage(vmpck0=KEY, vmpck1=bytes(32), vmpck2=bytes(32), vmpck3=bytes(32), msg_seqno=(2, 0, 0, 0))
    raw = page.build()
    assert raw[0x20:0x40] == KEY
    assert raw[0xA0:0xA4] == b"\x02\0\0\0"
    assert len(raw) == 0xB0
    assert KEY.hex() not in repr(page) + page.show() + str(page.to_dict())
