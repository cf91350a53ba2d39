"""The CRC-32 of zlib and Ethernet, eight bytes at a time."""

from libc.stdint cimport uint8_t, uint32_t

cdef enum:
    POLYNOMIAL = 0xEDB88320
    SLICES = 8


cdef inline void fill_tables(uint32_t* tables) noexcept nogil:
    """Fill eight tables of 256 words."""
    cdef uint32_t value, i, j
    for i in range(256):
        value = i
        for j in range(8):
            value = value >> 1 ^ (POLYNOMIAL if value & 1 else 0)
        tables[i] = value
    for i in range(256):
        for j in range(1, SLICES):
            tables[256 * j + i] = tables[256 * (j - 1) + i] >> 8 ^ tables[tables[256 * (j - 1) + i] & 0xFF]


cdef inline uint32_t crc32(const uint32_t* tables, uint32_t crc, const uint8_t* data, size_t size) noexcept nogil:
    """Go on with a CRC, which is 0 at the start, over more bytes."""
    cdef uint32_t low
    crc = ~crc
    while size >= SLICES:
        low = crc ^ (data[0] | <uint32_t>data[1] << 8 | <uint32_t>data[2] << 16 | <uint32_t>data[3] << 24)
        crc = (
            tables[256 * 7 + (low & 0xFF)] ^ tables[256 * 6 + (low >> 8 & 0xFF)]
            ^ tables[256 * 5 + (low >> 16 & 0xFF)] ^ tables[256 * 4 + (low >> 24)]
            ^ tables[256 * 3 + data[4]] ^ tables[256 * 2 + data[5]] ^ tables[256 + data[6]] ^ tables[data[7]]
        )
        data += SLICES
        size -= SLICES
    while size:
        crc = crc >> 8 ^ tables[(crc ^ data[0]) & 0xFF]
        data += 1
        size -= 1
    return ~crc
