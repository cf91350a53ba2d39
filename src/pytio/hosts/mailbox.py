"""A DOE mailbox driven for real: its registers read and written, its waits waited, and a transport made of it.

`pytio.doe.Mailbox` decides which register comes next; this file performs it. Only one user may be at a mailbox: whoever
opens one holds a lock of the function, and looks first whether the kernel's TSM uses it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Final, Self, TypeVar

from pytio.backends.bindings import PCI_DOE, Binding
from pytio.backends.sysfs import Sysfs, SysfsFunction
from pytio.backends.sysfs.tsm_shapes import tsm_files
from pytio.doe import (
    DataObject,
    DataObjectType,
    Feature,
    Limits,
    Mailbox,
    Pause,
    ReadRegister,
    RegisterAction,
    Reply,
    Steps,
    VendorId,
)
from pytio.errors import BackendBusyError, BackendTimeoutError, BackendUnavailableError, LocalProtocolError
from pytio.hosts.capabilities import DOE, extended_capabilities
from pytio.pci import ConfigAccess

__all__ = ("MailboxDriver", "MailboxTransport", "open_mailbox", "perform")

T = TypeVar("T")
_DW_BYTES: Final = 4
_CXL_MEMORY_CLASS: Final = 0x0502
_CLASS_SHIFT: Final = 8
_SPDM: Final = Feature(VendorId.PCI_SIG, DataObjectType.CMA_SPDM)


def perform(
    steps: Steps[T],
    config: ConfigAccess,
    offset: int,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Perform a mailbox's steps on the capability at ``offset``; return what they return.

    Raises what the steps and the configuration space raise; the steps know of both, and the next use starts afresh.
    """
    try:
        action = next(steps)
        while True:
            try:
                value = _do(action, config, offset, sleep)
            except BaseException as error:  # noqa: BLE001  an interrupt, too, has to reach the steps
                action = steps.throw(error)
            else:
                action = steps.send(Reply(clock(), value))
    except StopIteration as done:
        result: T = done.value
        return result


def _do(action: RegisterAction, config: ConfigAccess, offset: int, sleep: Callable[[float], None]) -> int:
    match action:
        case Pause(seconds):
            sleep(seconds)
        case ReadRegister(register):
            return int.from_bytes(config.read(offset + register, _DW_BYTES), "little")
        case _:
            config.write(offset + action.register, action.value.to_bytes(_DW_BYTES, "little"))
    return 0


class MailboxDriver:
    """One mailbox of one function.

    Attributes:
        offset: of its extended capability.
        mailbox: the state machine.
    """

    def __init__(
        self,
        config: ConfigAccess,
        offset: int,
        *,
        capability_version: int = 1,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Put the two together; no register is touched yet."""
        self.offset = offset
        self.mailbox = Mailbox(capability_version, limits=limits)
        self._config = config
        self._clock = clock
        self._sleep = sleep

    def discover(self) -> tuple[Feature, ...]:
        """Return what the mailbox takes; raises DoePeerError and BackendError."""
        return self._perform(self.mailbox.discover())

    def exchange(self, request: DataObject) -> DataObject:
        """Return the answer to a data object; raises DoePeerError and BackendError."""
        return self._perform(self.mailbox.exchange(request))

    def _perform(self, steps: Steps[T]) -> T:
        return perform(steps, self._config, self.offset, clock=self._clock, sleep=self._sleep)


class MailboxTransport:
    """A `Transport` of data objects through a mailbox: `write` exchanges, `read` hands the answer over.

    Guarantees order, and that each answer belongs to what was written last. Closing lets go of the function's lock.
    """

    def __init__(self, driver: MailboxDriver, resources: ExitStack | None = None) -> None:
        """Take over a driver, and what has to be closed with it."""
        self.driver = driver
        self._resources = resources or ExitStack()
        self._answer: bytes | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, traceback: TracebackType | None) -> None:
        self.close()

    @property
    def binding(self) -> Binding:
        """Data objects."""
        return PCI_DOE

    def write(self, unit: bytes) -> None:
        """Exchange a data object.

        Raises:
            DoePeerError: the device failed; the exchange was aborted.
            BackendError: configuration space could not be accessed.
            LocalProtocolError: the last answer has not been read.
        """
        if self._answer is not None:
            raise LocalProtocolError("an answer is waiting", "write", "a mailbox has one exchange at a time")
        self._answer = self.driver.exchange(DataObject.parse(unit)).build()

    def read(self, *, timeout_s: float | None = None) -> bytes:
        """Return the answer to what was written last.

        Raises:
            BackendTimeoutError: nothing was written since; a device never speaks first.
        """
        answer, self._answer = self._answer, None
        if answer is None:
            raise BackendTimeoutError("DOE mailbox", "there is no answer to wait for", "write a request first")
        return answer

    def close(self) -> None:
        """Let go of the function; harmless the second time."""
        self._resources.close()


def open_mailbox(
    sysfs: Sysfs,
    function: SysfsFunction,
    *,
    offset: int | None = None,
    force: bool = False,
    limits: Limits | None = None,
) -> MailboxTransport:
    """Open a mailbox of a live function: the one at ``offset``, or the first that serves SPDM.

    The function is locked against other programs that lock it, until the transport is closed.

    Raises:
        BackendBusyError: another program has the function; or, without ``force``, the kernel's TSM does.
        BackendUnavailableError: there is no such mailbox.
        BackendPermissionError: not root, or the kernel is locked down.
        DoePeerError: discovery failed.
    """
    if not force:
        _refuse_what_the_kernel_uses(sysfs, function)
    with ExitStack() as resources:
        config = resources.enter_context(function.open_config(writable=True))
        resources.enter_context(config.locked())
        found = [(at, version) for kind, version, at in extended_capabilities(config) if kind == DOE]
        for at, version in found:
            if offset in {None, at}:
                driver = MailboxDriver(config, at, capability_version=version, limits=limits)
                if offset == at or _SPDM in driver.discover():
                    return MailboxTransport(driver, resources.pop_all())
    wanted = "that serves SPDM" if offset is None else f"at {offset:#x}"
    there = ", ".join(f"{at:#x}" for at, _ in found) or "none"
    raise BackendUnavailableError(
        str(function.bdf), f"it has no DOE mailbox {wanted}", f"mailboxes here: {there}; see `pytio doe discover`"
    )


def _refuse_what_the_kernel_uses(sysfs: Sysfs, function: SysfsFunction) -> None:
    try:
        connected_to = tsm_files(sysfs, function).connected_to()
    except BackendUnavailableError:
        connected_to = None
    if connected_to:
        raise BackendBusyError(
            str(function.bdf),
            f"the kernel's {connected_to} is connected through this device's mailbox",
            "two users would garble each other's exchanges: disconnect it first, or force this",
        )
    if function.has("class") and function.number("class") >> _CLASS_SHIFT == _CXL_MEMORY_CLASS and function.driver:
        raise BackendBusyError(
            str(function.bdf),
            f"the kernel's {function.driver} may read tables through this CXL device's mailbox",
            "unbind the driver first, or force this",
        )
