cimport cython

from sidecar.wire.message cimport RequestHead
from sidecar.wire.origin cimport Origin as _Origin

cdef Py_ssize_t _POOL_BYTES
cdef bytes _VISIBLE
cdef bytes _LOWER_HEX
cdef bytes _ZERO_TRACE
cdef bytes _ZERO_SPAN
cdef double _NEVER

@cython.final
cdef class IdSource:
    cdef object _random_bytes
    cdef bytes _pool
    cdef Py_ssize_t _at
    # A slice of a C string makes the bytes at once; one of a bytes object makes a slice object and two numbers first.
    @cython.locals(start=Py_ssize_t, end=Py_ssize_t, pool="const char *")
    cpdef bytes hexadecimal(self, Py_ssize_t digits)

@cython.final
cdef class RequestIds:
    cdef public bytes request_id
    cdef public bint sampled
    cdef public bytes trace_id
    cdef public bytes traceparent

@cython.locals(request_id=bytes, traceparent=bytes)
cpdef RequestIds request_ids(RequestHead head, IdSource source)

@cython.locals(version=bytes, trace=bytes, span=bytes)
cpdef bint valid_traceparent(bytes value) except -1

@cython.locals(chain=bytes, peer=bytes, proto=bytes, host=bytes, via=bytes)
cpdef bytes stable_fields(RequestHead head, _Origin origin, RequestIds ids)

@cython.final
cdef class DeadlineLine:
    cdef bytes _line
    cdef long long _milliseconds
    @cython.locals(milliseconds=cython.longlong)
    cpdef bytes of(self, double remaining)

cpdef bytes attempt_line(int attempt)
