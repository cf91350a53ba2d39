"""The host's client of the PSP: what the kernel's ccp driver and KVM's relay do, as plans.

Document: AMD 58271 (SEV-TIO Firmware Interface), and the kernel's drivers for the order of things. `PspClient` begins;
`Device`, `Interface` and `SnpGuest` are what it keeps, `Relay` carries a guest's requests. Actions are in
`pytio.clients.psp.actions`; `pytio.hosts.psp_port` performs them. What differs by revision is in
`pytio.clients.psp.manner`, as data.
"""

from pytio.clients.psp.client import PspClient
from pytio.clients.psp.device import ConnectOptions, Device
from pytio.clients.psp.exits import GuestOperation, GuestReply, GuestRequest
from pytio.clients.psp.interface import Interface
from pytio.clients.psp.launch import LaunchPage, SnpGuest
from pytio.clients.psp.manner import HOST_MANNERS, BindStep, ConnectStep, HostManner
from pytio.clients.psp.ports import DevicePorts, find_ports
from pytio.clients.psp.relay import Assignment, Relay

__all__ = (
    "HOST_MANNERS",
    "Assignment",
    "BindStep",
    "ConnectOptions",
    "ConnectStep",
    "Device",
    "DevicePorts",
    "GuestOperation",
    "GuestReply",
    "GuestRequest",
    "HostManner",
    "Interface",
    "LaunchPage",
    "PspClient",
    "Relay",
    "SnpGuest",
    "find_ports",
)
