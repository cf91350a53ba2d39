"""Two IDE ports with a link between them: registers, keys by hand, real encryption, and what tampering does."""

from __future__ import annotations

import pytest

from pytio import ide, idekm
from pytio.crypto import Secret
from pytio.errors import IdeKmPeerError, LocalProtocolError
from pytio.ids import Bdf, Direction, KeySlot, SubStream
from pytio.mock.function import MockFunction
from pytio.mock.ide_port import IdePort
from pytio.mock.link import LinkDirection
from tests.mock.ports import AMD_ENDPOINT, AMD_ROOT_PORT, DEVICE, FIRST_BLOCK, RID_2, ROOT_PORT, SUB_STREAMS, Pair

SECURE = (ide.StreamState.SECURE, ide.StreamState.SECURE)
INSECURE = (ide.StreamState.INSECURE, ide.StreamState.INSECURE)
SECRET = b"what the host must not see, 32 B"


def test_the_capability_reads_as_a_capability() -> None:
    pair = Pair()
    assert pair.device.function.space.read(pair.device.offset, 4) & 0xFFFF == 0x30
    registers = pair.device.registers()
    assert registers.selective_stream_count == 1
    assert registers.ide_km_protocol_supported
    assert not registers.selective_streams[0].control.enable


def test_control_bits_are_writable_where_the_port_has_them() -> None:
    pair = Pair()
    pair.write_register(pair.device, 4, 0xFFFF_FFFE)
    pair.write_register(pair.root, 4, 0xFFFF_FFFE)
    device, root = (port.registers().selective_streams[0].control for port in (pair.device, pair.root))
    assert device.default_stream
    assert not device.selective_ide_for_configuration_requests_enable
    assert root.selective_ide_for_configuration_requests_enable
    assert not root.default_stream
    assert device.stream_id == root.stream_id == 0xFF
    pair.write_register(pair.device, 8, 0xFFFF_FFFF)
    assert pair.read_register(pair.device, 8) == 0


def test_a_capability_without_extras_keeps_their_bits_clear() -> None:
    plain = idekm.IdeCapability(selective_ide_streams_supported=True, selective_streams_minus_1=2)
    port = IdePort(MockFunction(1, 2), DEVICE, capability=plain, address_associations=0)
    assert port.registers().selective_stream_count == 3
    for index in range(3):
        port.function.space.write(port.offset + FIRST_BLOCK + 20 * index + 4, 4, 0xFFFF_FFFE)
    for block in port.registers().selective_streams:
        assert block.control.pcrc_enable is block.control.tee_limited_stream is False
        assert block.control.aggregation_pr == 0


def test_link_streams_are_refused() -> None:
    with pytest.raises(ValueError, match="link IDE streams"):
        IdePort(MockFunction(1, 2), DEVICE, capability=idekm.IdeCapability(link_ide_stream_supported=True))


@pytest.mark.parametrize("order", ["keys, go, enable", "keys, enable, go", "enable, keys, go"])
def test_a_stream_is_secure_when_all_is_there_in_any_order(order: str) -> None:
    pair = Pair()
    pair.set_up()
    for step in order.split(", "):
        assert pair.states() != SECURE
        if step == "keys":
            pair.key()
        elif step == "go":
            pair.go()
        else:
            pair.enable()
    assert pair.states() == SECURE
    assert pair.read_register(pair.device, 8) == pair.read_register(pair.root, 8) == 2


def test_without_a_valid_rid_association_a_stream_is_never_secure() -> None:
    pair = Pair()
    pair.set_up()
    pair.write_register(pair.device, RID_2, 0)
    pair.key()
    pair.go()
    pair.enable()
    assert pair.states() == (ide.StreamState.SECURE, ide.StreamState.READY)
    assert pair.read_register(pair.device, 8) == 0


@pytest.mark.parametrize("end", ["root", "device"])
def test_a_tee_write_and_a_tee_read_are_encrypted_both_ways(end: str) -> None:
    """What crosses the wire is an IDE TLP with T=1 and without a trace of the plaintext, completions included."""
    pair = Pair.secure()
    down = end == "root"
    transactions, requester = (pair.down, ROOT_PORT) if down else (pair.up, DEVICE)
    on = 0 if down else None  # a root port of AMD has no address association: its platform says which stream
    transactions.write(requester.requester_id, 0x1000, SECRET, tee=True, on=on)
    answer = transactions.read(requester.requester_id, 0x1000, len(SECRET), tee=True, on=on)
    assert answer.is_successful
    assert answer.data == SECRET
    tlps = [ide.Tlp.parse(raw) for raw in pair.wire]
    assert [tlp.header.tlp_type.name for tlp in tlps] == ["MWR32", "MRD32", "CPLD"]
    for tlp in tlps:
        assert isinstance(tlp.ide, ide.IdePrefix)
        assert tlp.ide.t
        assert len(tlp.mac) == 12
    assert not any(SECRET[:8] in raw for raw in pair.wire)
    assert pair.states() == SECURE


def test_without_a_secure_stream_what_is_not_tee_goes_in_clear_and_what_is_stays_at_home() -> None:
    pair = Pair()
    pair.up.write(DEVICE.requester_id, 0x1000, SECRET)
    assert SECRET in pair.wire[0]
    assert ide.Tlp.parse(pair.wire[0]).ide is None
    with pytest.raises(LocalProtocolError):
        pair.up.write(DEVICE.requester_id, 0x1000, SECRET, tee=True)
    assert len(pair.wire) == 1


def test_a_tee_limited_stream_leaves_other_traffic_in_clear() -> None:
    pair = Pair.secure()
    pair.up.write(DEVICE.requester_id, 0x1000, SECRET, tee=False)
    assert SECRET in pair.wire[-1]
    shared = Pair.secure(endpoint=AMD_ENDPOINT & ~(1 << 23))
    shared.up.write(DEVICE.requester_id, 0x1000, SECRET, tee=False)
    tlp = ide.Tlp.parse(shared.wire[-1])
    assert isinstance(tlp.ide, ide.IdePrefix)
    assert not tlp.ide.t


def test_address_associations_select_the_stream_of_a_root_port() -> None:
    pair = Pair()
    pair.set_up()
    base = 0xC000_0000
    pair.write_register(pair.root, 0x14, 1 | (base >> 20) << 8 | (base >> 20) << 20)
    pair.key()
    pair.go()
    pair.enable()
    pair.down.write(ROOT_PORT.requester_id, base + 0x2000, SECRET, tee=True)
    pair.down.write(ROOT_PORT.requester_id, base + (1 << 20), SECRET)
    inside, outside = (ide.Tlp.parse(raw) for raw in pair.wire)
    assert inside.ide is not None
    assert outside.ide is None


@pytest.mark.parametrize("sub_stream", SUB_STREAMS)
@pytest.mark.parametrize("what", ["another key", "dwords swapped"])
def test_a_key_that_differs_shows_as_a_mac_failure(sub_stream: SubStream, what: str) -> None:
    """Each of the six keys counts: one that the ends do not share makes both ends Insecure at its first use."""
    right = bytes([2 * SUB_STREAMS.index(sub_stream) + 1]) * 31 + b"\x77"
    wrong = bytes(32) if what == "another key" else b"".join(right[at : at + 4][::-1] for at in range(0, 32, 4))
    pair = Pair()
    pair.set_up()
    pair.key(changes={(sub_stream, Direction.RX): wrong})
    pair.go()
    pair.enable()
    assert pair.states() == SECURE
    if sub_stream is SubStream.CPL:  # the device receives completions of its own reads
        pair.up.read(DEVICE.requester_id, 0x1000, 4, tee=True)
    elif sub_stream is SubStream.NPR:
        pair.down.read(ROOT_PORT.requester_id, 0x1000, 4, tee=True, on=0)
    else:
        pair.down.write(ROOT_PORT.requester_id, 0x1000, SECRET, tee=True, on=0)
    assert pair.states() == INSECURE
    assert [event.error for event in pair.device.events if isinstance(event, ide.ErrorDetected)] == [
        ide.IdeError.MAC_MISMATCH
    ]
    assert pair.device.errors.ide_check_failed
    assert pair.read_register(pair.device, 8) == 0
    assert pair.read_register(pair.root, 8) == 1 << 31
    pair.write_register(pair.root, 8, 1 << 31)
    assert pair.read_register(pair.root, 8) == 0
    assert bytes(pair.memory[0x1000 : 0x1000 + len(SECRET)]) == bytes(len(SECRET))


@pytest.mark.parametrize("direction", LinkDirection)
@pytest.mark.parametrize("place", ["prefix", "header", "payload", "MAC"])
def test_tampering_makes_both_ends_insecure(direction: LinkDirection, place: str) -> None:
    pair = Pair.secure()
    at = {"prefix": 3, "header": 9, "payload": 20, "MAC": -1}[place]

    def flip(sent: LinkDirection, raw: bytes) -> list[bytes]:
        if sent is not direction or raw[0] != ide.PrefixType.IDE:
            return [raw]
        changed = bytearray(raw)
        changed[at] ^= 0x01
        return [bytes(changed)]

    pair.link.filters.append(flip)
    transactions, requester = (pair.down, ROOT_PORT) if direction is LinkDirection.DOWN else (pair.up, DEVICE)
    transactions.write(requester.requester_id, 0x1000, SECRET, tee=True, on=0)
    assert pair.states() == INSECURE
    assert not any(pair.memory)
    receiver = pair.device if direction is LinkDirection.DOWN else pair.root
    assert receiver.errors.ide_check_failed
    with pytest.raises(LocalProtocolError):
        transactions.write(requester.requester_id, 0x1000, SECRET, tee=True, on=0)


def test_a_replayed_tlp_is_caught() -> None:
    pair = Pair.secure()
    pair.link.filters.append(lambda direction, raw: (raw, raw) if raw[0] == ide.PrefixType.IDE else (raw,))
    pair.up.write(DEVICE.requester_id, 0x1000, SECRET, tee=True)
    assert pair.states() == INSECURE


def test_a_lost_completion_is_a_timeout_and_keeps_its_tag() -> None:
    pair = Pair()
    pair.link.filters.append(lambda direction, raw: () if direction is LinkDirection.DOWN else (raw,))
    answer = pair.up.read(DEVICE.requester_id, 0x1000, 4)
    assert answer.status is None
    assert pair.device.errors.completion_timeout
    assert pair.device.port.outstanding.is_taken((DEVICE.requester_id, 0))
    for _ in range(255):
        pair.up.read(DEVICE.requester_id, 0x1000, 4)
    with pytest.raises(LocalProtocolError, match="every tag"):
        pair.up.read(DEVICE.requester_id, 0x1000, 4)


def test_bytes_that_are_no_tlp_are_malformed() -> None:
    pair = Pair()
    pair.link.down(b"\xff\xff")
    assert pair.device.errors.malformed_tlp
    assert not pair.received


def test_a_stream_that_nobody_set_up_is_misrouted() -> None:
    pair = Pair.secure()
    pair.link.filters.append(lambda direction, raw: (raw[:2] + b"\x55" + raw[3:],))
    pair.up.write(DEVICE.requester_id, 0x1000, SECRET, tee=True)
    assert pair.root.errors.misrouted_ide_tlp
    assert pair.states() == SECURE


# registers while the stream is in use


def test_clearing_enable_makes_a_stream_insecure_at_once() -> None:
    pair = Pair.secure()
    pair.write_register(pair.device, 4, AMD_ENDPOINT & ~1)
    assert pair.states() == (ide.StreamState.SECURE, ide.StreamState.INSECURE)
    assert pair.read_register(pair.device, 8) == 0
    pair.write_register(pair.device, 4, AMD_ENDPOINT)  # its keys are gone
    assert pair.read_register(pair.device, 8) == 0


@pytest.mark.parametrize(("offset", "value"), [(4, AMD_ENDPOINT | 1 << 8), (0x0C, 0), (0x10, 0), (0x14, 1)])
def test_a_register_that_changes_under_a_stream_makes_it_insecure(offset: int, value: int) -> None:
    pair = Pair.secure()
    before = pair.read_register(pair.device, offset)
    pair.write_register(pair.device, offset, before)
    assert pair.states() == SECURE  # PCIE_A18: nothing changed
    pair.write_register(pair.device, offset, value)
    assert pair.states()[1] is ide.StreamState.INSECURE
    changes = [event for event in pair.device.events if isinstance(event, ide.StateChanged)]
    assert changes[-1].cause is ide.StreamCause.REGISTERS_CHANGED
    if offset == 4:
        assert pair.read_register(pair.device, 4) == AMD_ENDPOINT


@pytest.mark.parametrize("reset", ["function-level", "conventional"])
def test_resets_take_registers_and_keys(reset: str) -> None:
    pair = Pair.secure()
    function = pair.device.function
    if reset == "conventional":
        function.reset()
    else:
        function.space.write(function.pci_express + 0x08, 2, 0x8000)
    assert pair.read_register(pair.device, 4) == 0
    assert pair.states()[1] is ide.StreamState.INSECURE
    pair.enable()
    assert pair.states()[1] is ide.StreamState.INSECURE


def test_the_write_that_clears_enable_is_completed_on_the_stream() -> None:
    """Its completion is an IDE TLP, as the request was; the stream is gone behind it."""
    pair = Pair.secure()
    at = pair.device.offset + FIRST_BLOCK + 4
    data = (AMD_ENDPOINT & ~1).to_bytes(4, "little")
    answer = pair.down.configure(ROOT_PORT.requester_id, DEVICE, at, data, is_type_1=True)
    assert answer.is_successful
    request, completion = (ide.Tlp.parse(raw) for raw in pair.wire)
    assert request.ide is not None
    assert completion.ide is not None
    assert pair.states()[1] is ide.StreamState.INSECURE


def test_the_write_that_sets_enable_may_come_on_the_stream() -> None:
    """AMD enables the root port first, so the write that enables the endpoint is an IDE TLP (PCIE_A32)."""
    pair = Pair()
    pair.set_up()
    pair.key()
    pair.go()
    pair.write_register(pair.root, 4, AMD_ROOT_PORT)
    at = pair.device.offset + FIRST_BLOCK + 4
    data = AMD_ENDPOINT.to_bytes(4, "little")
    assert pair.down.configure(ROOT_PORT.requester_id, DEVICE, at, data, is_type_1=True).is_successful
    assert pair.states() == SECURE
    pair.up.write(DEVICE.requester_id, 0x1000, SECRET, tee=True)
    assert pair.states() == SECURE


# keys


def test_keys_are_refreshed_under_traffic() -> None:
    pair = Pair.secure()
    pair.up.write(DEVICE.requester_id, 0x1000, SECRET, tee=True)
    pair.key(key_set=1)
    pair.go(key_set=1)
    pair.up.write(DEVICE.requester_id, 0x1000, SECRET, tee=True)
    assert pair.up.read(DEVICE.requester_id, 0x1000, 4, tee=True).data == SECRET[:4]
    assert pair.states() == SECURE
    last = ide.Tlp.parse(pair.wire[-1])
    assert isinstance(last.ide, ide.IdePrefix)
    assert last.ide.k == 1
    assert any(isinstance(event, ide.KeySetChanged) for event in pair.root.events)


def test_stopping_the_keys_in_use_makes_a_stream_insecure() -> None:
    pair = Pair.secure()
    told: list[ide.Event] = []
    pair.device.subscribe(told.append)
    pair.device.stop(0, KeySlot(direction=Direction.RX, sub_stream=SubStream.PR))
    assert pair.states()[1] is ide.StreamState.INSECURE
    assert told == [ide.StateChanged(0, ide.StreamState.INSECURE, ide.StreamCause.KEY_SET_STOPPED)]


def test_a_stream_that_no_register_names_gets_no_key() -> None:
    pair = Pair()
    slot = KeySlot(direction=Direction.RX, sub_stream=SubStream.PR)
    with pytest.raises(IdeKmPeerError):
        pair.device.program(7, slot, Secret(bytes(32)), 1)
    pair.device.go(7, slot)
    pair.device.stop(7, slot)
    pair.write_register(pair.device, 4, 7 << 24)
    pair.device.program(7, slot, Secret(bytes(32)), 1)
    assert pair.states(7)[1] is ide.StreamState.INSECURE
    pair.write_register(pair.device, 4, 0)
    with pytest.raises(IdeKmPeerError):
        pair.device.program(7, slot.replace(key_set=1), Secret(bytes(32)), 1)


def test_a_stream_is_torn_down_and_established_again() -> None:
    """As a host does: root port first, registers to zero, and the same stream id once more, with other keys."""
    pair = Pair.secure()
    for port in (pair.root, pair.device):
        pair.write_register(port, 4, 0)
        pair.write_register(port, RID_2, 0)
    assert pair.states() == INSECURE
    pair.set_up()
    pair.key(key_set=1)
    pair.go(key_set=1)
    pair.enable()
    assert pair.states() == SECURE
    pair.up.write(DEVICE.requester_id, 0x1000, SECRET, tee=True)
    assert pair.up.read(DEVICE.requester_id, 0x1000, len(SECRET), tee=True).data == SECRET


def test_a_key_of_the_wrong_size_is_refused() -> None:
    with pytest.raises(IdeKmPeerError, match="32 bytes"):
        Pair().device.program(0, KeySlot(direction=Direction.RX, sub_stream=SubStream.PR), Secret(bytes(16)), 1)


def test_a_stream_id_of_another_enabled_block_is_not_taken_twice() -> None:
    capability = idekm.IdeCapability(selective_ide_streams_supported=True, selective_streams_minus_1=1)
    port = IdePort(MockFunction(1, 2), Bdf.parse("02:00.0"), capability=capability, address_associations=0)
    space = port.function.space
    for block in (0, 1):
        space.write(port.offset + FIRST_BLOCK + 20 * block + RID_2, 4, 1)
        space.write(port.offset + FIRST_BLOCK + 20 * block + 4, 4, 1)
    assert len(port.port.streams) == 1
    space.write(port.offset + FIRST_BLOCK + 20 + 4, 4, 0)  # the second block had nothing to lose
    assert port.port.streams[0].is_enabled


def test_idekm_drives_the_port() -> None:
    """The port is what IDE_KM's responder wants: QUERY shows its registers."""
    pair = Pair()
    responder = idekm.Responder({0: pair.device})
    responder.receive(idekm.Query(port_index=0).build(), session=1)
    answer = responder.bytes_to_send()
    assert answer is not None
    assert idekm.QueryResp.parse(answer).ide == pair.device.registers()
