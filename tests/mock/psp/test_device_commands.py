"""The life of a device: created, connected over what the host carries, asked, disconnected."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from pytio.capture import KeyLog
from pytio.mock import Transactions
from pytio.mock.psp import DeviceState
from pytio.sev.codes import SevStatus
from pytio.sev.data_objects import BufferHeader
from pytio.sev.structures import DeviceStatus, DeviceStatusR1, DeviceStatusR2
from pytio.sev.tio_codes import (
    DataObjectId,
    DataObjectType,
    DeviceContextState,
    Revision,
    SevCommand,
    SpdmAead,
    SpdmAsymmetric,
    SpdmDhe,
    SpdmHash,
)
from pytio.spdm import CertificateChain
from tests.mock.psp.bench import DEVICE, MMIO, PORT_NUMBER, Bench

TIO_REVISIONS = pytest.mark.parametrize("revision", [Revision.R1, Revision.R2, Revision.P2, Revision.N])
STATUS_CLASSES = {Revision.R1: DeviceStatusR1, Revision.R2: DeviceStatusR2}


def device_status(bench: Bench, context: object) -> DeviceStatus:
    bench.ok(
        bench.issue(SevCommand.TIO_DEV_STATUS, dev_ctx_sla=context, status_paddr=bench.status_page, status_length=4096)
    )
    found: DeviceStatus = bench.status_of(STATUS_CLASSES.get(bench.revision, DeviceStatus))
    return found


@pytest.mark.parametrize("revision", list(Revision))
def test_connect_authenticates_and_keys_both_ends(revision: Revision) -> None:
    bench = Bench(revision)
    context, control = bench.connected()
    device = bench.psp.devices[context]
    assert device.state is DeviceState.CONNECTED
    result = bench.result(control)
    assert (result.object_id, result.device_id) == (DataObjectId.CERTIFICATES, DEVICE.requester_id)
    assert CertificateChain.parse(result.data, digest=48).root_hash
    assert device.certs_digest == hashlib.sha384(result.data).digest()
    assert not bench.are_secure()
    bench.enable()
    assert bench.are_secure()
    keys = [secret.reveal() for kind, _, secret in bench.secrets if kind == "IDE"]
    assert len(set(keys)) == len(keys) == 6


def test_what_goes_over_the_link_is_encrypted_with_keys_of_this_connection() -> None:
    bench = Bench()
    bench.connected()
    bench.enable()
    seen: list[bytes] = []
    bench.root_port.link.taps.append(lambda direction, raw: seen.append(raw))
    Transactions(bench.ports[1]).write(DEVICE.requester_id, 0x1000, b"some DMA data", tee=True)
    assert len(seen) == 1
    assert b"some DMA data" not in seen[0]
    assert bench.are_secure()


@pytest.mark.parametrize("revision", [Revision.R1, Revision.R2, Revision.P2])
def test_status_says_what_was_agreed_on(revision: Revision) -> None:
    bench = Bench(revision)
    context, _ = bench.connected()
    status = device_status(bench, context)
    assert status.ctx_state is DeviceContextState.CONNECTED
    assert (status.device_id, status.segment_id, status.tc_mask, status.certs_slot) == (0xE100, 0, 1, 0)
    assert not status.request_pending
    assert not any(status.meas_digest)
    assert not status.meas_digest_valid
    assert status.certs_digest == bench.psp.devices[context].certs_digest
    if revision is Revision.P2:
        algorithms = (status.dhe, status.aead, status.asym, status.hash)
        assert algorithms == (
            SpdmDhe.SECP384R1,
            SpdmAead.AES_256_GCM,
            SpdmAsymmetric.ECDSA_P384,
            SpdmHash.SHA_384,
        )


@pytest.mark.parametrize("revision", [Revision.R1, Revision.R2])
def test_older_revisions_say_how_much_room_a_status_has(revision: Revision) -> None:
    bench = Bench(revision)
    context, _ = bench.connected()
    status = bench.issue(
        SevCommand.TIO_DEV_STATUS, dev_ctx_sla=context, status_paddr=bench.status_page, status_length=151
    )
    assert status is SevStatus.INCORRECT_BUFFER_LENGTH


@TIO_REVISIONS
def test_measurements_are_signed_over_the_hosts_nonce(revision: Revision) -> None:
    bench = Bench(revision)
    context, control = bench.connected()
    nonce = bytes(range(32))
    bench.ok(bench.run(SevCommand.TIO_DEV_MEASUREMENTS, dev_ctx_sla=context, spdm_ctrl=control, meas_nonce=nonce))
    result = bench.result(control)
    assert result.object_id is DataObjectId.MEASUREMENTS
    device = bench.psp.devices[context]
    assert device.meas_digest == hashlib.sha384(result.data).digest()
    assert device_status(bench, context).meas_digest_valid
    has_log = revision in (Revision.P2, Revision.N)
    assert result.data_object_type is (DataObjectType.MESSAGE_LOG if has_log else DataObjectType.RECORD)
    assert (nonce in result.data) is has_log
    assert result.data[:2] == (b"\x10\x84" if has_log else b"\x01\x01")


def test_certificates_that_changed_are_refused() -> None:
    bench = Bench()
    context, control = bench.connected()
    bench.ok(bench.run(SevCommand.TIO_DEV_CERTIFICATES, dev_ctx_sla=context, spdm_ctrl=control))
    assert bench.result(control).object_id is DataObjectId.CERTIFICATES
    before = bench.psp.devices[context].certs_digest
    bench.psp.devices[context].certs_digest = b"\x11" * 48
    status = bench.run(SevCommand.TIO_DEV_CERTIFICATES, dev_ctx_sla=context, spdm_ctrl=control)
    assert status is SevStatus.DEV_CERT_CHANGED
    assert bench.psp.devices[context].certs_digest == b"\x11" * 48 != before
    assert bench.psp.devices[context].state is DeviceState.CONNECTED


def test_keys_roll_under_traffic_and_not_without() -> None:
    bench = Bench()
    context, control = bench.connected()
    bench.enable()
    for key_set in (1, 0, 1):
        bench.ok(bench.run(SevCommand.TIO_ROLL_KEY, dev_ctx_sla=context, spdm_ctrl=control))
        assert bench.psp.devices[context].key_set == key_set
        assert BufferHeader.parse(bench.read_buffer(control.spdm_output)[:64]).payload_sz == 0
        # no TLP came under the new keys, so the device uses the ones before still, and lets nobody replace them
        assert bench.run(SevCommand.TIO_ROLL_KEY, dev_ctx_sla=context, spdm_ctrl=control) is SevStatus.SPDM_ERROR
        assert bench.psp.devices[context].key_set == key_set
        assert bench.psp.devices[context].state is DeviceState.CONNECTED
        bench.traffic()
        assert bench.are_secure()


def test_keys_that_the_root_port_uses_still_are_not_replaced() -> None:
    bench = Bench()
    context, control = bench.connected()
    bench.enable()
    bench.ok(bench.run(SevCommand.TIO_ROLL_KEY, dev_ctx_sla=context, spdm_ctrl=control))
    bench.root_port.mmio_write(MMIO, b"down", tee=True)
    bench.root_port.mmio_read(MMIO, 4, tee=True)
    bench.device.dma.read(DEVICE.requester_id, 0x1000, 4, tee=True)
    bench.root_port.link.filters.append(lambda direction, raw: [])
    bench.device.dma.write(DEVICE.requester_id, 0x1000, b"lost", tee=True)
    status = bench.run(SevCommand.TIO_ROLL_KEY, dev_ctx_sla=context, spdm_ctrl=control)
    assert status is SevStatus.SPDM_ERROR
    assert bench.psp.last is not None
    assert "K0/RX/PR is in use" in bench.psp.last.why
    assert bench.psp.devices[context].state is DeviceState.CONNECTED


def test_every_secret_of_a_connection_is_told_once_and_fits_a_key_log() -> None:
    bench = Bench()
    bench.connected()
    log = KeyLog()
    for kind, key, secret in bench.secrets:
        log.add(kind, key, secret)
    kinds = [entry.kind for entry in KeyLog.parse(log.build())]
    assert kinds.count("IDE") == 6
    assert {kind for kind in kinds if kind != "IDE"} == {
        "SPDM_REQUEST_HANDSHAKE",
        "SPDM_RESPONSE_HANDSHAKE",
        "SPDM_REQUEST_DATA",
        "SPDM_RESPONSE_DATA",
    }
    assert {key.rpartition("/")[2] for kind, key, _ in bench.secrets if kind == "IDE"} == {"up", "down"}


def test_disconnect_and_reclaim() -> None:
    bench = Bench()
    context, control = bench.connected()
    bench.refuses(SevStatus.INVALID_DEV_STATE, SevCommand.TIO_DEV_RECLAIM, dev_ctx_sla=context)
    bench.ok(bench.run(SevCommand.TIO_DEV_DISCONNECT, dev_ctx_sla=context, spdm_ctrl=control))
    assert not bench.are_secure()
    assert not bench.endpoint.spdm.sessions
    assert device_status(bench, context).ctx_state is DeviceContextState.DISCONNECTED
    bench.ok(bench.run(SevCommand.TIO_DEV_CONNECT, dev_ctx_sla=context, spdm_ctrl=control))
    bench.ok(bench.issue(SevCommand.TIO_DEV_DISCONNECT, dev_ctx_sla=context, spdm_ctrl=control, force=True))
    assert bench.endpoint.spdm.sessions, "not a word was said"
    bench.ok(bench.issue(SevCommand.TIO_DEV_RECLAIM, dev_ctx_sla=context))
    assert not bench.psp.devices


def test_the_host_sees_what_waits() -> None:
    bench = Bench()
    bench.init()
    context, control = bench.create(), bench.control()
    status = bench.issue(SevCommand.TIO_DEV_CONNECT, dev_ctx_sla=context, spdm_ctrl=control)
    assert status is SevStatus.SPDM_REQUEST
    found = device_status(bench, context)
    assert found.request_pending
    assert not found.request_pending_tdi
    assert (found.request_pending_command, found.ctx_state) == (SevCommand.TIO_DEV_CONNECT, DeviceContextState.CREATED)


def test_a_device_has_one_context_and_a_root_port() -> None:
    bench = Bench()
    bench.init()
    bench.create()
    fields: dict[str, Any] = {"device_id": DEVICE.requester_id, "root_port_id": PORT_NUMBER}
    bench.refuses(SevStatus.IN_USE, SevCommand.TIO_DEV_CREATE, dev_ctx_sla=bench.buffer(), **fields)
    for wrong in ({"root_port_id": 3}, {"segment_id": 1}, {"device_id": 0x0100}):
        status = bench.issue(
            SevCommand.TIO_DEV_CREATE, dev_ctx_sla=bench.buffer(), **(fields | {"device_id": 0xE200} | wrong)
        )
        assert status is SevStatus.INVALID_PARAM
