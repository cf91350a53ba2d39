"""IDE: what travels on an encrypted PCIe link, bit for bit: TLPs, what IDE adds to them, streams of them.

Document: PCIe Base 6.x chapter 2 (TLPs) and chapter 6, "Integrity and Data Encryption (IDE)". `Tlp` is one TLP, in flit
mode or not. Only parts of chapter 6 are public; `ASSUMPTIONS` lists what is assumed about the rest.
"""

from pytio.ide.assumptions import (
    ASSUMPTIONS,
    Assumption,
)
from pytio.ide.builders import (
    completion,
    memory_read,
    memory_write,
)
from pytio.ide.codes import (
    INITIAL_INVOCATION,
    IV_BYTES,
    KEY_BYTES,
    MAC_BYTES,
    PCRC_BYTES,
    SELECTIVE_TYPES,
    AddressType,
    AerBit,
    CompletionStatus,
    FlitType,
    IdeError,
    MessageCode,
    PrefixType,
    StreamState,
    TlpType,
    Trailer,
    sub_stream_of,
)
from pytio.ide.config import (
    AddressRange,
    PortRole,
    RidRange,
    StreamConfig,
    StreamKind,
)
from pytio.ide.counters import (
    COUNTER_LIMIT,
    ReceivedCounters,
    SentCounters,
)
from pytio.ide.events import (
    ErrorDetected,
    Event,
    KeySetChanged,
    StateChanged,
    TlpReceived,
    UnitVerified,
)
from pytio.ide.flit import (
    FlitCompletion,
    FlitConfigurationRequest,
    FlitHeader,
    FlitIdeMessage,
    FlitIoRequest,
    FlitMemoryRequest32,
    FlitMemoryRequest64,
    FlitMessageRequest,
)
from pytio.ide.framing import (
    FIXED_PARTS,
    HeaderEncryption,
    HiddenPlaces,
    associated_data,
    hidden_places,
    iv_of,
    pcrc_of,
    text_of,
    with_text,
)
from pytio.ide.header import (
    AnyHeader,
    Completion,
    ConfigurationRequest,
    IdeMessage,
    IoRequest,
    MemoryRequest32,
    MemoryRequest64,
    MessageRequest,
    TlpHeader,
    VendorDefinedMessage,
)
from pytio.ide.ohc import (
    AnyOhc,
    OhcA1,
    OhcA2,
    OhcA3,
    OhcA4,
    OhcA5,
    OhcB,
    OhcC,
    OhcE,
)
from pytio.ide.outstanding import (
    Outstanding,
)
from pytio.ide.port import (
    Port,
)
from pytio.ide.prefix import (
    AnyPrefix,
    IdePrefix,
    PasidPrefix,
    TlpPrefix,
)
from pytio.ide.providers import (
    UnitKey,
    new_key,
)
from pytio.ide.state import (
    EFFECTS,
    TRANSITIONS,
    Effect,
    Severity,
    StreamCause,
)
from pytio.ide.stream import (
    Stream,
)
from pytio.ide.tlp import (
    Tlp,
)

__all__ = (
    "ASSUMPTIONS",
    "COUNTER_LIMIT",
    "EFFECTS",
    "FIXED_PARTS",
    "INITIAL_INVOCATION",
    "IV_BYTES",
    "KEY_BYTES",
    "MAC_BYTES",
    "PCRC_BYTES",
    "SELECTIVE_TYPES",
    "TRANSITIONS",
    "AddressRange",
    "AddressType",
    "AerBit",
    "AnyHeader",
    "AnyOhc",
    "AnyPrefix",
    "Assumption",
    "Completion",
    "CompletionStatus",
    "ConfigurationRequest",
    "Effect",
    "ErrorDetected",
    "Event",
    "FlitCompletion",
    "FlitConfigurationRequest",
    "FlitHeader",
    "FlitIdeMessage",
    "FlitIoRequest",
    "FlitMemoryRequest32",
    "FlitMemoryRequest64",
    "FlitMessageRequest",
    "FlitType",
    "HeaderEncryption",
    "HiddenPlaces",
    "IdeError",
    "IdeMessage",
    "IdePrefix",
    "IoRequest",
    "KeySetChanged",
    "MemoryRequest32",
    "MemoryRequest64",
    "MessageCode",
    "MessageRequest",
    "OhcA1",
    "OhcA2",
    "OhcA3",
    "OhcA4",
    "OhcA5",
    "OhcB",
    "OhcC",
    "OhcE",
    "Outstanding",
    "PasidPrefix",
    "Port",
    "PortRole",
    "PrefixType",
    "ReceivedCounters",
    "RidRange",
    "SentCounters",
    "Severity",
    "StateChanged",
    "Stream",
    "StreamCause",
    "StreamConfig",
    "StreamKind",
    "StreamState",
    "Tlp",
    "TlpHeader",
    "TlpPrefix",
    "TlpReceived",
    "TlpType",
    "Trailer",
    "UnitKey",
    "UnitVerified",
    "VendorDefinedMessage",
    "associated_data",
    "completion",
    "hidden_places",
    "iv_of",
    "memory_read",
    "memory_write",
    "new_key",
    "pcrc_of",
    "sub_stream_of",
    "text_of",
    "with_text",
)
