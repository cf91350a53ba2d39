"""Why TEE-IO is not up: the causes, in the order in which to look, from facts that someone else has gathered.

Documents: PCIe Base 6.x (the registers), the kernel's PCI/TSM core and ccp driver (what has to be there, and what they
log). Each cause is in `CAUSES`, with what to do next; each finding names the register, the bit, its value and what was
expected. What cannot be seen comes first: who sees 64 bytes sees no capability.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import attrs

from pytio.clients.causes import CAUSES, Finding
from pytio.errors import PciDecodeError
from pytio.ids import Bdf
from pytio.pci import CapabilityId, ExtendedCapabilityId, decode
from pytio.pci.capabilities.advanced_error_reporting import AdvancedErrorReporting
from pytio.pci.capabilities.ide import IntegrityDataEncryption
from pytio.pci.capabilities.pci_express import PciExpressDevice
from pytio.pci.codes import DevicePortType
from pytio.pci.dump import Function

__all__ = ("Facts", "FunctionFacts", "diagnose")


@attrs.frozen
class FunctionFacts:
    """What is known of one function.

    Attributes:
        bdf: its address.
        config: its configuration space, as much as is visible.
        root_port: the port at the other end of its streams; None where there is none, or it is not known.
        is_virtual: whether it is a virtual function.
        has_tsm_files: whether a TSM has taken it; None where that is not known.
        connected_to: the TSM that it is connected to.
        doe_features: what the kernel found in its mailboxes; None where it does not say.
        streams_left: of its host bridge; None where it does not say.
        power_state: such as D0; None where that is not known.
    """

    bdf: Bdf
    config: bytes = attrs.field(repr=False)
    root_port: Bdf | None = None
    is_virtual: bool = False
    has_tsm_files: bool | None = None
    connected_to: str | None = None
    doe_features: tuple[str, ...] | None = None
    streams_left: int | None = None
    power_state: str | None = None


@attrs.frozen
class Facts:
    """What is known of a machine; None always means that nobody knows.

    Attributes:
        functions: the PCI functions.
        wanted: the functions to look at; all that could have TEE-IO where it is empty.
        tsms: the TSMs that are registered.
        has_tsm_class: whether the kernel has the class at all.
        is_locked_down: whether the kernel is.
        snp_parameter: what ``kvm_amd`` says about SEV-SNP.
        log: the kernel log.
    """

    functions: tuple[FunctionFacts, ...]
    wanted: tuple[Bdf, ...] = ()
    tsms: tuple[str, ...] | None = None
    has_tsm_class: bool | None = None
    is_locked_down: bool | None = None
    snp_parameter: str | None = None
    log: str | None = attrs.field(default=None, repr=False)


_ALL_ONES: Final = b"\xff" * 4
_UNPRIVILEGED_BYTES: Final = 128
_CONVENTIONAL_BYTES: Final = 256
_DEVICE_CAPABILITIES: Final = 0x04
_IDE_CAPABILITY: Final = 0x04
_DOE_STATUS: Final = 0x0C
_DOE_ERROR: Final = 1 << 2
_AER_STATUS: Final = 0x04
_SECURE: Final = 2
_SPDM_FEATURES: Final = frozenset({"0001:01", "0001:02"})
_ENDPOINTS: Final = (DevicePortType.PCI_EXPRESS_ENDPOINT, DevicePortType.ROOT_COMPLEX_INTEGRATED_ENDPOINT)
_TIO_STATUS: Final = re.compile(r"SEV-TIO status: EN=(\d+) INIT_DONE=(\d+)")
_DEAD: Final = re.compile(r"(?:ccp|sev|psp).*(?:timed out|timeout|disabling PSP|is dead)", re.IGNORECASE)
_AER_IDE_FIELDS: Final = ("ide_check_failed", "misrouted_ide_tlp")


@attrs.frozen
class _Seen:
    """A function with its configuration space decoded."""

    facts: FunctionFacts
    function: Function

    def find(self, capability_id: CapabilityId | ExtendedCapabilityId) -> tuple[int, Any] | None:
        """Return offset and structure of a capability."""
        structure = self.function.find(capability_id)
        offset = next((one.offset for one in self.function.capabilities if one.structure is structure), 0)
        return None if structure is None else (offset, structure)

    def finding(
        self, name: str, register: str = "", bit: str = "", value: object = "", expected: object = ""
    ) -> Finding:
        """Return a finding about this function."""
        return Finding(CAUSES[name], str(self.facts.bdf), register, bit, str(value), str(expected))


def diagnose(facts: Facts) -> tuple[Finding, ...]:
    """Return why TEE-IO is not up, in the order in which to look; nothing where nothing stands in the way.

    After a finding about what can be seen, nothing is said about what cannot.
    """
    hidden = tuple(_visibility(facts))
    if hidden and hidden[0].cause.name == "privilege":
        return hidden
    seen = tuple(_decoded(facts))
    candidates = tuple(one for one in seen if _is_candidate(one, facts.wanted))
    found = [*hidden, *_platform(facts)]
    if not candidates:
        found.append(Finding(CAUSES["no-candidate"]))
    by_address = {one.facts.bdf: one for one in seen}
    for one in candidates:
        for check in _DEVICE_CHECKS:
            found += check(one, by_address, facts)
    if facts.is_locked_down:
        found.append(Finding(CAUSES["lockdown"], "/sys/kernel/security/lockdown", value="active", expected="none"))
    order = list(CAUSES)
    return tuple(sorted(found, key=lambda finding: order.index(finding.cause.name)))


def _visibility(facts: Facts) -> Iterator[Finding]:
    looked_at = [one for one in facts.functions if not facts.wanted or one.bdf in facts.wanted]
    sizes = {len(one.config) for one in looked_at}
    if sizes and max(sizes) <= _UNPRIVILEGED_BYTES:
        yield Finding(CAUSES["privilege"], "config", "", "", f"{max(sizes)} bytes", "4096 bytes")
    elif sizes and max(sizes) <= _CONVENTIONAL_BYTES:
        yield Finding(CAUSES["conventional"], "config", "", "", f"{max(sizes)} bytes", "4096 bytes")


def _decoded(facts: Facts) -> Iterator[_Seen]:
    for one in facts.functions:
        try:
            yield _Seen(one, decode(one.config))
        except PciDecodeError:  # cut short: `_visibility` has said so
            continue


def _is_candidate(seen: _Seen, wanted: tuple[Bdf, ...]) -> bool:
    if wanted:
        return seen.facts.bdf in wanted
    express = seen.find(CapabilityId.PCI_EXPRESS)
    if seen.facts.is_virtual or seen.facts.bdf.function or express is None:
        return False
    capability: PciExpressDevice = express[1]
    return capability.device_port_type in _ENDPOINTS and (
        capability.device_capabilities.tee_io_supported
        or seen.find(ExtendedCapabilityId.INTEGRITY_DATA_ENCRYPTION) is not None
        or seen.find(ExtendedCapabilityId.DATA_OBJECT_EXCHANGE) is not None
    )


def _platform(facts: Facts) -> Iterator[Finding]:
    if facts.snp_parameter is not None and facts.snp_parameter not in {"Y", "1"}:
        where = "/sys/module/kvm_amd/parameters/sev_snp"
        yield Finding(CAUSES["snp-off"], where, value=facts.snp_parameter, expected="Y")
    yield from _from_log(facts.log or "")
    if facts.has_tsm_class is False and not any(one.has_tsm_files for one in facts.functions):
        yield Finding(CAUSES["kernel"], "/sys/class/tsm", value="absent", expected="present")
    elif facts.has_tsm_class and not facts.tsms:
        yield Finding(CAUSES["no-tsm"], "/sys/class/tsm", value="empty", expected="tsm0")


def _from_log(log: str) -> Iterator[Finding]:
    statuses = _TIO_STATUS.findall(log)
    if statuses:
        enabled, done = statuses[-1]
        if enabled == "0":
            yield Finding(CAUSES["tio-off"], "kernel log", "SEV-TIO status", "EN", enabled, "1")
        elif done == "0":
            yield Finding(CAUSES["tio-not-initialized"], "kernel log", "SEV-TIO status", "INIT_DONE", done, "1")
    dead = next((line.strip() for line in log.splitlines() if _DEAD.search(line)), None)
    if dead is not None:
        yield Finding(CAUSES["psp-dead"], "kernel log", value=dead, expected="no such line")


_Check = Callable[[_Seen, Mapping[Bdf, _Seen], Facts], Iterator[Finding]]


def _presence(seen: _Seen, others: Mapping[Bdf, _Seen], facts: Facts) -> Iterator[Finding]:
    if seen.facts.config[:4] == _ALL_ONES and not seen.facts.is_virtual:
        yield seen.finding("gone", "Vendor ID (00h)", "31:0", "ffffffff", "an identity")
    if seen.facts.bdf.function or seen.facts.is_virtual:
        yield seen.finding("not-function-0")
    if seen.facts.power_state not in {None, "D0", "unknown"}:
        yield seen.finding("power", "power_state", "", seen.facts.power_state, "D0")


def _tee_io(seen: _Seen, others: Mapping[Bdf, _Seen], facts: Facts) -> Iterator[Finding]:
    express = seen.find(CapabilityId.PCI_EXPRESS)
    if express is None:
        yield seen.finding("tee-io", "PCI Express capability", "", "absent", "present")
    elif not express[1].device_capabilities.tee_io_supported:
        yield seen.finding("tee-io", f"Device Capabilities ({express[0] + _DEVICE_CAPABILITIES:02x}h)", "bit 30", 0, 1)


def _doe(seen: _Seen, others: Mapping[Bdf, _Seen], facts: Facts) -> Iterator[Finding]:
    doe = seen.find(ExtendedCapabilityId.DATA_OBJECT_EXCHANGE)
    if doe is None:
        if len(seen.facts.config) > _CONVENTIONAL_BYTES:
            yield seen.finding("no-doe", "extended capability 2Eh", "", "absent", "present")
        return
    at = doe[0] + _DOE_STATUS
    if int.from_bytes(seen.facts.config[at : at + 4], "little") & _DOE_ERROR:
        yield seen.finding("doe-error", f"DOE Status ({at:03x}h)", "bit 2", 1, 0)
    features = seen.facts.doe_features
    if features is not None and not set(features) >= _SPDM_FEATURES:
        yield seen.finding("doe-features", "doe_features", "", " ".join(features), " ".join(sorted(_SPDM_FEATURES)))


def _ide(seen: _Seen, others: Mapping[Bdf, _Seen], facts: Facts) -> Iterator[Finding]:
    if len(seen.facts.config) <= _CONVENTIONAL_BYTES:
        return
    ide = seen.find(ExtendedCapabilityId.INTEGRITY_DATA_ENCRYPTION)
    if ide is None:
        yield seen.finding("no-ide", "extended capability 30h", "", "absent", "present")
        return
    yield from _selective(seen, *ide)
    capability = ide[1].capability
    register = f"IDE Capability ({ide[0] + _IDE_CAPABILITY:03x}h)"
    if not capability.ide_km_protocol_supported:
        yield seen.finding("ide-km", register, "bit 6", 0, 1)
    if not capability.tee_limited_stream_supported:
        yield seen.finding("ide-tee-limited", register, "bit 24", 0, 1)


def _selective(seen: _Seen, offset: int, ide: IntegrityDataEncryption) -> Iterator[Finding]:
    if not ide.capability.selective_ide_streams_supported:
        yield seen.finding("ide-selective", f"IDE Capability ({offset + _IDE_CAPABILITY:03x}h)", "bit 1", 0, 1)


def _root_port(seen: _Seen, others: Mapping[Bdf, _Seen], facts: Facts) -> Iterator[Finding]:
    express = seen.find(CapabilityId.PCI_EXPRESS)
    is_integrated = express is not None and express[1].device_port_type is _ENDPOINTS[1]
    if is_integrated or len(seen.facts.config) <= _CONVENTIONAL_BYTES:
        return
    port = others.get(seen.facts.root_port) if seen.facts.root_port is not None else None
    if port is None:
        yield seen.finding("no-root-port")
        return
    ide = port.find(ExtendedCapabilityId.INTEGRITY_DATA_ENCRYPTION)
    if ide is None:
        yield port.finding("root-port-ide", "extended capability 30h", "", "absent", "present")
    else:
        yield from _selective(port, *ide)


def _tsm(seen: _Seen, others: Mapping[Bdf, _Seen], facts: Facts) -> Iterator[Finding]:
    if seen.facts.streams_left == 0 and not seen.facts.connected_to:
        yield seen.finding("no-streams", "available_secure_streams", "", 0, "1 or more")
    if facts.tsms and seen.facts.has_tsm_files is False:
        yield seen.finding("not-taken", "tsm/connect", "", "absent", "present")
    elif seen.facts.has_tsm_files and not seen.facts.connected_to:
        yield seen.finding("not-connected", "tsm/connect", "", "empty", "a TSM's name")


def _streams(seen: _Seen, others: Mapping[Bdf, _Seen], facts: Facts) -> Iterator[Finding]:
    port = others.get(seen.facts.root_port) if seen.facts.root_port is not None else None
    for end in (seen, *([port] if port is not None else [])):
        ide = end.find(ExtendedCapabilityId.INTEGRITY_DATA_ENCRYPTION)
        for index, stream in enumerate(ide[1].selective if ide is not None else ()):
            register = f"Selective IDE Stream Status [{index}]"
            if stream.control.enable and stream.status.state != _SECURE:
                yield end.finding("insecure", register, "3:0", int(stream.status.state), _SECURE)
            if stream.status.received_integrity_check_fail_message:
                yield end.finding("integrity-fail", register, "bit 31", 1, 0)
        yield from _aer(end)


def _aer(end: _Seen) -> Iterator[Finding]:
    aer = end.find(ExtendedCapabilityId.ADVANCED_ERROR_REPORTING)
    if aer is None:
        return
    capability: AdvancedErrorReporting = aer[1]
    register = f"Uncorrectable Error Status ({aer[0] + _AER_STATUS:03x}h)"
    for name in _AER_IDE_FIELDS:
        if getattr(capability.uncorrectable_error_status, name):
            yield end.finding("aer-ide", register, name, 1, 0)


_DEVICE_CHECKS: Final[tuple[_Check, ...]] = (_presence, _tee_io, _doe, _ide, _root_port, _tsm, _streams)
