"""Every TDISP message of the recorded sessions, beside what DMTF's dump tool says about it.

data/recorded.txt has each different message once, of 132 in the sessions s01, s07 and s08.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from pytio import tdisp

LINES: Final = (Path(__file__).parent / "data" / "recorded.txt").read_text().splitlines()[1:]
MESSAGES: Final = [tdisp.parse(bytes.fromhex(line.split()[2])) for line in LINES]
EMPTY: Final = {
    tdisp.GetTdispVersion: "GET_VERSION",
    tdisp.GetDeviceInterfaceState: "GET_DEVICE_INTERFACE_STATE",
    tdisp.StartInterfaceResponse: "START_INTERFACE_RSP",
    tdisp.StopInterfaceRequest: "STOP_INTERFACE_REQ",
    tdisp.StopInterfaceResponse: "STOP_INTERFACE_RSP",
}


def words(message: tdisp.TdispMessage) -> str:
    """Say what DMTF's dump tool says, in its own abbreviations."""
    name, content = EMPTY.get(type(message), ""), ""
    match message:
        case tdisp.TdispVersion():
            name = "VERSION"
            content = ",".join(f"{version >> 4}.{version & 0xF}" for version in message.versions)
        case tdisp.GetTdispCapabilities():
            name, content = "GET_CAPABILITIES", f"tsm_caps=0x{message.tsm_caps:08x}"
        case tdisp.TdispCapabilities():
            name = "CAPABILITIES"
            content = (
                f"dsm_caps=0x{message.dsm_caps:08x}, msg_cap=[{message.req_msgs_supported:032x}], "
                f"lock_flags=0x{message.lock_interface_flags_supported:04x}, "
                f"addr_width=0x{message.dev_addr_width:02x}, "
                f"req_this=0x{message.num_req_this:02x}, req_all=0x{message.num_req_all:02x}"
            )
        case tdisp.LockInterfaceRequest():
            name = "LOCK_INTERFACE_REQ"
            content = (
                f"flags=0x{message.flags:04x}, default_stream=0x{message.default_stream_id:02x}, "
                f"mmio_offset=0x{message.mmio_reporting_offset:016x}, "
                f"bind_p2p_mask=0x{message.bind_p2p_address_mask:016x}"
            )
        case tdisp.LockInterfaceResponse() | tdisp.StartInterfaceRequest():
            name = message.NAME.replace("REQUEST", "REQ").replace("RESPONSE", "RSP")
            content = f"nonce={message.nonce.hex()}"
        case tdisp.GetDeviceInterfaceReport():
            name, content = message.NAME, f"offset=0x{message.offset:04x}, length=0x{message.length:04x}"
        case tdisp.DeviceInterfaceReport():
            name = message.NAME
            content = f"port_len=0x{message.portion_length:04x}, rem_len=0x{message.remainder_length:04x}"
        case tdisp.DeviceInterfaceState():
            name, content = message.NAME, f"tdi_state=0x{message.tdi_state:02x}"
    function = int.from_bytes(message.interface_id.function_id.build(), "little")
    return f"{name} ({function:08x})" + (f" ({content})" if content else "")


@pytest.mark.parametrize("line", LINES, ids=lambda line: "-".join(line.split()[:2]))
def test_recorded(line: str) -> None:
    said = line.partition(" = ")[2]
    raw = bytes.fromhex(line.split()[2])
    parsed = tdisp.parse(raw)
    assert parsed.build() == raw
    if said:
        assert words(parsed) == said


def test_every_start_hands_back_the_nonce_of_a_lock() -> None:
    locks = [found.nonce for found in MESSAGES if isinstance(found, tdisp.LockInterfaceResponse)]
    starts = [found.nonce for found in MESSAGES if isinstance(found, tdisp.StartInterfaceRequest)]
    assert locks == starts
    assert len(set(locks)) == 6
