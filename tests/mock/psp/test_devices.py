"""Devices that are not like the others: slow, talkative, with two streams, with other algorithms, of another mind."""

from __future__ import annotations

import hashlib
from typing import Any

import attrs
import pytest

from pytio.ide import StreamState
from pytio.ide_registers import IdeCapability
from pytio.mock.example import EXAMPLE_MEASUREMENTS
from pytio.mock.platform import EXAMPLE_ROOT_PORT, Platform
from pytio.mock.psp import DeviceState, PspConfig, TdiContextState
from pytio.sev.codes import SevStatus
from pytio.sev.data_objects import BufferHeader, SpdmObject
from pytio.sev.structures import DeviceStatus
from pytio.sev.tio_codes import PAGE_BYTES, DataObjectId, DataObjectType, SevCommand, SpdmAsymmetric, SpdmHash
from pytio.spdm.algorithms import BaseAsymAlgo, BaseHashAlgo
from pytio.spdm.codes import MeasurementValueType, SpdmCode, SpdmVersion
from pytio.spdm.configuration import AlgorithmSet, Measurement
from tests.mock.psp.bench import Bench
from tests.mock.psp.lives import Interface

LONG = Measurement(0x20, MeasurementValueType.FREEFORM_MANIFEST, bytes(range(256)) * 50, is_raw_only=True)


def test_a_long_record_comes_in_chunks_and_makes_the_buffer_grow() -> None:
    bench = Bench(device={"measurements": (*EXAMPLE_MEASUREMENTS, LONG)})
    context, control = bench.connected(output_pages=1)
    fields: dict[str, Any] = {"dev_ctx_sla": context, "meas_nonce": bytes(32)}
    status = bench.run(SevCommand.TIO_DEV_MEASUREMENTS, spdm_ctrl=control, **fields)
    assert status is SevStatus.EXPAND_BUFFER_LENGTH_REQUEST
    wanted = BufferHeader.parse(bench.read_buffer(control.spdm_output)[:64]).capacity_sz
    assert wanted == 4 * PAGE_BYTES
    larger = control.replace(spdm_output=bench.buffer(4), spdm_scratch=bench.buffer(4))
    bench.ok(bench.issue(SevCommand.TIO_DEV_MEASUREMENTS, spdm_ctrl=larger, **fields))
    result = bench.result(larger)
    assert LONG.value in result.data
    assert bench.psp.devices[context].meas_digest == hashlib.sha384(result.data).digest()


def test_a_device_that_takes_its_time_is_asked_again() -> None:
    bench = Bench(device={"deferred_s": {SpdmCode.KEY_EXCHANGE: 0.5, SpdmCode.GET_MEASUREMENTS: 0.5}})
    context, control = bench.connected()
    fields: dict[str, Any] = {"dev_ctx_sla": context, "spdm_ctrl": control, "meas_nonce": bytes(32)}
    bench.ok(bench.run(SevCommand.TIO_DEV_MEASUREMENTS, **fields))
    assert any(request[1] == SpdmCode.RESPOND_IF_READY for _, request, _ in bench.exchanges)


@pytest.mark.parametrize(
    ("asym", "hashes", "expected"),
    [
        (BaseAsymAlgo.ECDSA_P256, (BaseHashAlgo.SHA_256,), (SpdmAsymmetric.ECDSA_P256, SpdmHash.SHA_256)),
        (BaseAsymAlgo.RSASSA_3072, (BaseHashAlgo.SHA_384,), (SpdmAsymmetric.RSASSA_3072, SpdmHash.SHA_384)),
    ],
)
def test_algorithms_are_told_and_digests_stay_sha_384(asym: Any, hashes: Any, expected: tuple[int, int]) -> None:
    bench = Bench(device={"asym": asym, "algorithms": AlgorithmSet(hashes=hashes)})
    context, control = bench.connected()
    bench.ok(bench.issue(SevCommand.TIO_DEV_STATUS, dev_ctx_sla=context, status_paddr=bench.status_page))
    status = bench.status_of(DeviceStatus)
    assert (status.asym, status.hash) == expected
    assert status.certs_digest == hashlib.sha384(bench.result(control).data).digest()


def test_a_device_without_a_common_algorithm_or_version() -> None:
    for changes in (
        {"algorithms": AlgorithmSet(hashes=(BaseHashAlgo.SHA3_256,))},
        {"versions": (SpdmVersion.V1_1,)},
    ):
        bench = Bench(device=changes)
        bench.init()
        context, control = bench.create(), bench.control()
        status = bench.run(SevCommand.TIO_DEV_CONNECT, dev_ctx_sla=context, spdm_ctrl=control)
        assert status is SevStatus.SPDM_ERROR
        assert bench.psp.devices[context].state is DeviceState.CREATED


def test_measurements_may_be_the_record_alone() -> None:
    bench = Bench(config=PspConfig(measurement_object=DataObjectType.RECORD))
    context, control = bench.connected()
    for is_raw in (False, True):
        fields: dict[str, Any] = {"dev_ctx_sla": context, "spdm_ctrl": control, "meas_nonce": bytes(32)}
        bench.ok(bench.run(SevCommand.TIO_DEV_MEASUREMENTS, raw_bitstream=is_raw, **fields))
        result = bench.result(control)
        assert result.data_object_type is DataObjectType.RECORD
        assert (b"boot ROM" in result.data) is is_raw


def test_each_traffic_class_has_a_stream_and_keys_of_its_own() -> None:
    two = IdeCapability(
        selective_ide_streams_supported=True, selective_streams_minus_1=1, ide_km_protocol_supported=True
    )
    platform = Platform(memory_bytes=1 << 26, root_ports=(attrs.evolve(EXAMPLE_ROOT_PORT, capability=two),))
    bench = Bench(platform=platform, device={"capability": two})
    bench.init()
    for port in bench.ports:
        for number, at in enumerate(bench.blocks(port, 2)):
            port.function.space.write(at + 0x0C, 4, 0x00FF_FF00)
            port.function.space.write(at + 0x10, 4, 0x0000_0001)
            port.function.space.write(at + 0x04, 4, (number + 3) << 24 | number << 19)
    context, control = bench.create(), bench.control()
    fields: dict[str, Any] = {"tc_mask": 3, "ide_stream_id": (3, 4, *[0xFF] * 6)}
    bench.ok(bench.run(SevCommand.TIO_DEV_CONNECT, dev_ctx_sla=context, spdm_ctrl=control, **fields))
    keys = [secret.reveal() for kind, _, secret in bench.secrets if kind == "IDE"]
    assert len(set(keys)) == len(keys) == 12
    assert {key.split("/")[1] for kind, key, _ in bench.secrets if kind == "IDE"} == {"03", "04"}
    for port in bench.ports:
        for number, at in enumerate(bench.blocks(port, 2)):
            port.function.space.write(at + 0x04, 4, (number + 3) << 24 | number << 19 | 1)
        assert [port.state_of(stream) for stream in (3, 4)] == [StreamState.SECURE] * 2


def test_a_device_that_does_not_answer_in_its_session_has_lost_it() -> None:
    one = Interface(TdiContextState.BIND_RUN)
    one.bench.refuses(SevStatus.SPDM_REQUEST, SevCommand.TIO_TDI_STATUS, **one.common)
    raw = SpdmObject(object_id=DataObjectId.SPDM_RESPONSE, message=b"").build()
    one.bench.write_response(one.control, raw[:4] + bytes(4) + raw[8:])
    one.bench.refuses(SevStatus.SPDM_ERROR, SevCommand.TIO_TDI_STATUS, **one.common)
    assert one.bench.psp.devices[one.context].state is DeviceState.ERROR
    assert one.state() is TdiContextState.ERROR
