"""A device into a confidential VM and back, on a model host: connect, assign, launch, attest, use, undo."""

from __future__ import annotations

from pytio import open_host
from pytio.clients.guest import Attestation
from pytio.tdisp import InterfaceReport

host = open_host("mock:")
device = host.device("0000:e1:00.0")

# The host's administrator: SPDM, IDE keys, an encrypted link.
for port in device.connect().ports:
    print(port)
(function,) = device.enable_virtual_functions(1)

# The virtual machine monitor: a VM that is measured without the device, which then is plugged in.
guest = host.launch(b"a kernel")
guest.plug(function)
guest.load_driver(function)


def policy(attestation: Attestation) -> None:
    """Judge the device; whatever is raised here keeps the guest closed to it."""
    report = InterfaceReport.parse(attestation.report)
    print("ranges:", [(each.range_id, each.size_bytes) for each in report.mmio_ranges])


# The guest: nothing of it is open to the device before the policy has judged.
guest.validate(function, policy)
print(function, host.tdi(function).state().name)
guest.write_mmio(function, 4, 0x100, bytes.fromhex("cdab"))
print("private:", guest.read_mmio(function, 4, 0x100, 2).hex())
print("shared:", guest.read_mmio(function, 4, 0x100, 2, is_private=False).hex())

# And back.
guest.stop(function)
guest.unplug(function)
print(function, host.tdi(function).state().name)
guest.vm.destroy()
host.guests.remove(guest)
print("connected to:", device.disconnect().connected_to)
