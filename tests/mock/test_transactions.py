"""Requests and completions: byte enables, splitting, answers that fail, and completions nobody waits for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytio import ide
from pytio.ids import Bdf
from pytio.mock.transactions import enabled_runs, span_of
from tests.mock.ports import DEVICE, ROOT_PORT, Pair


@given(address=st.integers(0, 0x3000), size=st.integers(1, 1200), is_secure=st.booleans())
def test_what_was_written_is_read_back_wherever_it_begins(address: int, size: int, is_secure: bool) -> None:
    pair = Pair.secure() if is_secure else Pair()
    data = bytes(at % 251 + 1 for at in range(size))
    pair.up.write(DEVICE.requester_id, address, data, tee=is_secure)
    assert pair.memory[address : address + size] == data
    assert pair.memory.count(0) == len(pair.memory) - size
    answer = pair.up.read(DEVICE.requester_id, address, size, tee=is_secure)
    assert answer.is_successful
    assert answer.data == data
    for event in pair.received:
        assert len(event.tlp.payload) <= pair.up.max_payload_bytes
        assert event.is_tee is is_secure


def test_no_request_crosses_four_kib_or_the_largest_size() -> None:
    pair = Pair()
    pair.up.max_read_request_bytes = 4096
    pair.up.read(DEVICE.requester_id, 0x0F00, 0x1200)
    reads = [event.tlp for event in pair.received if event.tlp.header.tlp_type.name == "MRD32"]
    assert [span_of(tlp) for tlp in reads] == [(0x0F00, 0x100), (0x1000, 0x1000), (0x2000, 0x100)]


def test_byte_enables_with_a_gap_make_two_runs() -> None:
    tlp = ide.memory_write(0x100, b"\1\2\3\4", first_dw_be=0b1001)
    assert span_of(tlp) == (0x100, 4)
    assert list(enabled_runs(tlp)) == [(0x100, b"\1"), (0x103, b"\4")]


def test_a_request_that_enables_no_byte_asks_for_one_that_nobody_looks_at() -> None:
    assert span_of(ide.memory_read(0x100, 4, first_dw_be=0)) == (0x100, 1)
    assert list(enabled_runs(ide.memory_write(0x100, bytes(4), first_dw_be=0))) == []


def test_what_has_no_byte_enables_has_no_span() -> None:
    request = ide.memory_read(0x100, 4)
    with pytest.raises(ValueError, match="CPL"):
        span_of(ide.completion(request))


def test_a_refused_read_has_its_status_and_no_data() -> None:
    pair = Pair()
    pair.root.deliver = lambda event: pair.down.refuse(event.tlp, ROOT_PORT.requester_id)
    answer = pair.up.read(DEVICE.requester_id, 0x1000, 2000)
    assert answer.status == ide.CompletionStatus.UNSUPPORTED_REQUEST
    assert answer.data == b""
    assert pair.root.errors.unsupported_request_error
    assert len(pair.wire) == 2
    pair.up.write(DEVICE.requester_id, 0x1000, b"abcd")  # posted: refused in silence
    assert len(pair.wire) == 3


def test_as_many_bytes_come_back_as_were_asked_for() -> None:
    with pytest.raises(ValueError, match="8 bytes were asked for"):
        Pair().down.complete(ide.memory_read(0x1000, 8), ROOT_PORT.requester_id, b"1234")


def test_a_completion_that_nobody_waits_for_is_an_error() -> None:
    pair = Pair()
    pair.link.up(ide.completion(ide.memory_read(0, 4, requester_id=ROOT_PORT.requester_id)).build())
    errors = [event.error for event in pair.root.events if isinstance(event, ide.ErrorDetected)]
    assert errors == [ide.IdeError.UNEXPECTED_COMPLETION]
    pair.down.take(ide.completion(ide.memory_read(0, 4)))
    assert pair.root.errors.unexpected_completion


@pytest.mark.parametrize(("offset", "size"), [(0x104, 4), (0x106, 2), (0xFFF, 1), (0x41, 3)])
def test_configuration_requests_name_function_register_and_bytes(offset: int, size: int) -> None:
    pair = Pair()
    function = Bdf.parse("05:1f.7")
    pair.device.deliver = lambda event: pair.up.complete(event.tlp, function.requester_id, bytes(range(1, size + 1)))
    answer = pair.down.configure(ROOT_PORT.requester_id, function, offset, size)
    assert answer.data == bytes(range(1, size + 1))
    header = ide.Tlp.parse(pair.wire[0]).header
    assert isinstance(header, ide.ConfigurationRequest)
    assert Bdf.from_requester_id(header.destination_id) == function
    assert header.tlp_type is ide.TlpType.CFGRD0
    assert span_of(ide.Tlp.parse(pair.wire[0])) == (offset, size)


@pytest.mark.parametrize(("offset", "size"), [(0x1000, 4), (0x102, 4), (0, 0), (-4, 4)])
def test_configuration_space_is_accessed_within_a_dword(offset: int, size: int) -> None:
    with pytest.raises(ValueError, match="within one dword"):
        Pair().down.configure(ROOT_PORT.requester_id, DEVICE, offset, size)
