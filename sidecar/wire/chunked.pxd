cimport cython

from sidecar.wire.message cimport HeadLimits
from sidecar.wire.runs cimport ByteRun

cdef ByteRun _HEX
cdef ByteRun _VALUE
cdef int _SIZE
cdef int _DATA
cdef int _DATA_END
cdef int _TRAILER
cdef int _END
cdef Py_ssize_t _MAX_LINE
cdef Py_ssize_t _MAX_DIGITS

@cython.final
cdef class ChunkedBody:
    cdef str _code
    cdef HeadLimits _limits
    cdef int _state
    cdef long long _left
    cdef bytes _held
    cdef long long _extension_bytes
    cdef public bint done
    cdef public Py_ssize_t consumed
    cdef public long long received
    cdef public bytes trailers

    @cython.locals(first=bytes, piece=bytes, pieces=list, i=Py_ssize_t, end=Py_ssize_t)
    cpdef bytes feed(self, bytes data, Py_ssize_t start=*)
    cpdef bint finish_at_close(self) except -1
    @cython.locals(
        source=bytes, begin=Py_ssize_t, limit=Py_ssize_t, stop=Py_ssize_t, close=Py_ssize_t, consumed=Py_ssize_t
    )
    cdef Py_ssize_t _read_size(self, bytes data, Py_ssize_t at) except -2
    cdef Py_ssize_t _extension_end(self, bytes source, Py_ssize_t at, Py_ssize_t limit) except -2
    cdef void _begin_chunk(self, object size, Py_ssize_t extension_bytes) except *
    cdef Py_ssize_t _read_data_end(self, bytes data, Py_ssize_t at) except -2
    @cython.locals(held=Py_ssize_t, limit=Py_ssize_t, source=bytes, end=Py_ssize_t, found=Py_ssize_t)
    cdef Py_ssize_t _read_trailers(self, bytes data, Py_ssize_t at) except -2
    @cython.locals(fresh=bytes)
    cdef void _check_line_ends(self, bytes source, Py_ssize_t held) except *
    cdef str _too_large(self)
