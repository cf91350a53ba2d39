"""A row of the record index: where a captured packet is, and what its headers say; 64 bytes, as `pure_rows` has them."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef packed struct Row:
    int64_t time_ns
    uint64_t offset      # of the packet
    uint32_t size        # that were captured
    uint32_t original    # on the wire
    uint32_t body        # offset in the packet: of the SPDM message, or of the record
    uint32_t body_size
    uint32_t plain       # offset of the plaintext, once there is one
    uint32_t plain_size
    uint32_t session
    uint32_t flow        # interface, requester's and responder's end; of a closed record: sender's and receiver's
    uint32_t interface
    uint8_t kind
    uint8_t state
    uint8_t direction
    uint8_t version
    uint8_t code
    uint8_t layer        # of what the message carries
    uint8_t layer_code
    uint8_t number_bytes # of a record's number, in its header
    uint8_t inner        # what stands before the message in a plaintext
    uint8_t reserved[3]


cdef enum:
    KIND_OTHER = 0       # somebody else has to read it
    KIND_DISCOVERY = 1
    KIND_SPDM = 2
    KIND_SECURED = 3

    STATE_CLEAR = 0
    STATE_CLOSED = 1
    STATE_OPEN = 2
    STATE_FOREIGN = 3    # open, and not SPDM inside

    NOBODY = 0
    REQUEST = 1
    RESPONSE = 2

    LAYER_NONE = 0
    LAYER_IDEKM = 1
    LAYER_TDISP = 2
    LAYER_CXL = 3        # has no code
    LAYER_SPDM = 4       # of the encapsulated flow

    LINK_DOE = 1
    LINK_MCTP = 2

    INNER_NONE = 0
    INNER_MCTP_TYPE = 1

    SPDM_HEADER_BYTES = 4
    RECORD_HEADER_BYTES = 6  # without the number's bytes
    REQUEST_BIT = 0x80

    MOST_PLACES = 64


cdef inline uint32_t u16(const uint8_t* here) noexcept nogil:
    """Read two bytes that are there, least significant first."""
    return <uint32_t>here[0] | <uint32_t>here[1] << 8


cdef bint describe(Row* row, const uint8_t* message, uint32_t size) noexcept nogil
cdef void classify(Row* row, const uint8_t* packet, uint32_t link) noexcept nogil
