"""Buffers that a caller lends for the time of one call, without the cost of a typed memoryview for each."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer


cdef inline int borrow(Py_buffer* view, object source, bint is_written) except -1:
    """Borrow a buffer; ``view`` is zeroed before."""
    try:
        PyObject_GetBuffer(source, view, PyBUF_WRITABLE if is_written else PyBUF_SIMPLE)
    except BufferError as error:
        raise ValueError("a buffer is not contiguous, or cannot be written to") from error
    return 0


cdef inline void give_back(Py_buffer* views, int count) noexcept:
    """Give back what was borrowed."""
    cdef int i
    for i in range(count):
        PyBuffer_Release(&views[i])  # which leaves those alone that were zeroed and never borrowed
