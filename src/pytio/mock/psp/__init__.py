"""The PSP: firmware that acts on command buffers in a platform's memory, to the byte.

Documents: AMD 58271 (SEV-TIO), AMD 56860 (SEV-SNP). `Psp` has the registers; everything it writes goes to memory whose
pages it was given, keys go to root ports, and messages for a device go through the host. What no public source settles
is in `ASSUMPTIONS`.
"""

from pytio.mock.psp.assumptions import ASSUMPTIONS
from pytio.mock.psp.configuration import SEV_REQUESTER, BufferSizes, PspConfig
from pytio.mock.psp.device_states import DeviceState, DeviceStep
from pytio.mock.psp.firmware import CommandDone, Psp
from pytio.mock.psp.line import OnSecret
from pytio.mock.psp.registers import Mailbox, PspRegister
from pytio.mock.psp.tdi_states import FENCES, FenceMoment, TdiContextState, TdiStep

__all__ = (
    "ASSUMPTIONS",
    "FENCES",
    "SEV_REQUESTER",
    "BufferSizes",
    "CommandDone",
    "DeviceState",
    "DeviceStep",
    "FenceMoment",
    "Mailbox",
    "OnSecret",
    "Psp",
    "PspConfig",
    "PspRegister",
    "TdiContextState",
    "TdiStep",
)
