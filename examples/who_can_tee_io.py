"""Which functions of a machine can do TEE-IO, and what each has for it: ``lspci -xxxx | python who_can_tee_io.py -``.

Without an argument it looks at a function that it makes itself.
"""

import sys

from pytio.doe import DataObjectType
from pytio.ids import Bdf
from pytio.mock import DoeMailbox, MockFunction, object_server
from pytio.pci import ConfigView, DumpAccess, format_dump, parse_dump


def a_dump() -> str:
    """Return a dump of one mock function with a mailbox and two selective IDE streams."""
    device = MockFunction(0x1022, 0x14A0, tee_io=True)
    device.add_mailbox(DoeMailbox(object_server({DataObjectType.CMA_SPDM: bytes})))
    device.add_extended_capability(0x30, bytes.fromhex("42000101") + bytes(44))
    return format_dump(Bdf(bus=0xE1), bytes(device.space))


dump = sys.stdin.read() if sys.argv[1:] == ["-"] else a_dump()
for bdf, data in parse_dump(dump):
    config = ConfigView(DumpAccess(data))
    if not config.tee_io:
        continue
    mailboxes = ", ".join(f"version {doe.capability_version} at {doe.offset:#x}" for doe in config.doe)
    print(f"{bdf}: TEE-IO Supported; DOE {mailboxes or 'none'}")
    for index, stream in enumerate(config.ide.selective if config.ide else ()):
        state = stream.status.read().state.name
        print(f"  selective[{index}] enable={int(stream.control.enable)} id={stream.control.stream_id} {state}")
