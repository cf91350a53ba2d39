"""Compiled twin of `pytio._accel.pure_rows`: what a captured packet is, as far as its headers tell."""

from libc.stdint cimport uint8_t, uint32_t

from pytio._accel.cursor cimport u32_le


cdef enum:
    DOE_HEADER_BYTES = 8
    DOE_LENGTH_MASK = 0x3FFFF
    DOE_MOST_DW = 0x40000
    DOE_DISCOVERY = 0
    DOE_SPDM = 1
    DOE_SECURED = 2
    MCTP_HEADER_BYTES = 5  # the message's type byte included
    MCTP_WHOLE = 0xC0
    MCTP_SPDM = 5
    MCTP_SECURED = 6
    MAC_BYTES = 16
    MOST_PADDING = 3
    MCTP_RESERVED = 0xF0
    VENDOR_DEFINED = 0x7E  # without the request bit
    DELIVER_ENCAPSULATED_RESPONSE = 0xEB
    ENCAPSULATED_REQUEST = 0x6A
    ENCAPSULATED_RESPONSE_ACK = 0x6B
    ACK_VERSION = 0x12  # from which on four more bytes stand before what it carries
    ACK_BYTES = 8
    PAYLOAD_ABSENT = 0
    PAYLOAD_SLOT = 2
    LARGE_FORM_VERSION = 0x14
    VENDOR_HEADER_BYTES = 11
    LARGE_VENDOR_HEADER_BYTES = 15
    PCI_SIG = 3
    PCI_SIG_VENDOR = 0x0001
    CXL = 0x1E98


cdef void classify(Row* row, const uint8_t* packet, uint32_t link) noexcept nogil:
    """Say what a packet is; what is in any way unusual stays KIND_OTHER."""
    cdef uint32_t length
    row.flow = <uint32_t>row.interface << 16
    if row.size != row.original:
        return
    if link == LINK_DOE and row.size >= DOE_HEADER_BYTES:
        length = u32_le(packet + 4)
        if packet[0] != 1 or packet[1] != 0 or length & ~<uint32_t>DOE_LENGTH_MASK or packet[3]:
            return
        length = length if length else <uint32_t>DOE_MOST_DW
        if length * 4 != row.size:
            return
        row.body = DOE_HEADER_BYTES
        if packet[2] == DOE_DISCOVERY:
            row.kind = KIND_DISCOVERY
        elif packet[2] == DOE_SPDM:
            message(row, packet)
        elif packet[2] == DOE_SECURED:
            record(row, packet, 0, MOST_PADDING)
    elif link == LINK_MCTP and row.size >= MCTP_HEADER_BYTES:
        if packet[0] & MCTP_RESERVED or packet[3] & MCTP_WHOLE != MCTP_WHOLE:
            return
        row.body = MCTP_HEADER_BYTES
        row.inner = INNER_MCTP_TYPE
        row.flow |= <uint32_t>packet[2] << 8 | packet[1]
        if packet[4] == MCTP_SPDM:
            message(row, packet)
            if row.direction == RESPONSE:
                row.flow = <uint32_t>row.interface << 16 | <uint32_t>packet[1] << 8 | packet[2]
        elif packet[4] == MCTP_SECURED:
            record(row, packet, 2, 0)


cdef inline void message(Row* row, const uint8_t* packet) noexcept nogil:
    row.body_size = row.size - row.body
    if row.body_size >= SPDM_HEADER_BYTES:
        row.kind = KIND_SPDM if describe(row, packet + row.body, row.body_size) else KIND_OTHER


cdef inline void record(Row* row, const uint8_t* packet, uint32_t sequence_bytes, uint32_t padding) noexcept nogil:
    cdef uint32_t header = 6 + sequence_bytes, left, length
    if row.size < row.body + header:
        return
    length = u16(packet + row.body + header - 2)
    left = row.size - row.body - header
    if length < MAC_BYTES or length > left or left - length > padding:
        return
    for left in range(row.body + header + length, row.size):
        if packet[left]:
            return
    row.body_size = header + length
    row.number_bytes = sequence_bytes
    row.kind = KIND_SECURED
    row.state = STATE_CLOSED
    row.session = u32_le(packet + row.body)


cdef bint describe(Row* row, const uint8_t* message, uint32_t size) noexcept nogil:
    """Fill in version, code and direction of an SPDM message of at least four bytes, and what it carries.

    False where somebody else has to tell what it carries.
    """
    row.version = message[0]
    row.code = message[1]
    if not row.direction:
        row.direction = REQUEST if message[1] & REQUEST_BIT else RESPONSE
    if message[1] & ~<uint8_t>REQUEST_BIT == VENDOR_DEFINED:
        return describe_vendors(row, message, size)
    if message[1] == ENCAPSULATED_REQUEST or message[1] == DELIVER_ENCAPSULATED_RESPONSE:
        return describe_carried(row, message, size, SPDM_HEADER_BYTES)
    if message[1] == ENCAPSULATED_RESPONSE_ACK and message[3] != PAYLOAD_ABSENT and message[3] != PAYLOAD_SLOT:
        return describe_carried(row, message, size, ACK_BYTES if message[0] >= ACK_VERSION else SPDM_HEADER_BYTES)
    return True


cdef inline bint describe_carried(Row* row, const uint8_t* message, uint32_t size, uint32_t at) noexcept nogil:
    if size <= at:
        return True
    if size - at < SPDM_HEADER_BYTES:
        return False
    row.layer = LAYER_SPDM
    row.layer_code = message[at + 1]
    return True


cdef inline bint describe_vendors(Row* row, const uint8_t* message, uint32_t size) noexcept nogil:
    cdef uint32_t at, length
    if size < VENDOR_HEADER_BYTES or u16(message + 4) != PCI_SIG or message[6] != 2:
        return True
    if message[0] >= LARGE_FORM_VERSION and message[2] & REQUEST_BIT:
        at = LARGE_VENDOR_HEADER_BYTES
        if size < at:
            return True
        length = u32_le(message + 11)
    else:
        at = VENDOR_HEADER_BYTES
        length = u16(message + 9)
    if length > size - at:
        return True
    if u16(message + 7) == CXL:
        row.layer = LAYER_CXL
        return True
    if u16(message + 7) != PCI_SIG_VENDOR or not length or message[at] > 1:
        return True
    row.layer = LAYER_TDISP if message[at] else LAYER_IDEKM
    at += 2 if row.layer == LAYER_TDISP else 1  # where its code is
    length -= 2 if row.layer == LAYER_TDISP and length >= 2 else 1
    if not length:
        return False
    row.layer_code = message[at]
    return True
