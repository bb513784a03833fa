cimport cython

from sidecar.wire.message cimport RequestHead

cdef Py_ssize_t _POOL_BYTES
cdef bytes _VISIBLE
cdef bytes _LOWER_HEX
cdef bytes _ZERO_TRACE
cdef bytes _ZERO_SPAN
cdef tuple _ENDINGS
cdef int _SAMPLED
cdef frozenset _TRACESTATE

@cython.final
cdef class IdSource:
    cdef object _random_bytes
    cdef bytes _pool
    cdef Py_ssize_t _at
    # A slice of a C string makes the bytes at once; one of a bytes object makes a slice object and two numbers first.
    @cython.locals(start=Py_ssize_t, end=Py_ssize_t, pool="const char *")
    cpdef bytes hexadecimal(self, Py_ssize_t digits)

@cython.final
cdef class TraceTerms:
    cdef public bint headers
    cdef public bint recording
    cdef public bytes threshold

# Nothing that it holds leads back to it.
@cython.final
@cython.no_gc
@cython.freelist(64)
cdef class RequestIds:
    cdef public list b3
    cdef public bytes ending
    cdef public bytes fields
    cdef public bytes parent_id
    cdef public bytes request_id
    cdef public bint sampled
    cdef public bytes span_id
    cdef public bytes trace_id

@cython.locals(ids=RequestIds, request_id=bytes)
cpdef RequestIds request_ids(RequestHead head, IdSource source, TraceTerms terms)

@cython.locals(p="const char *")
cdef bint _is_chosen(bytes trace_id, bytes threshold) except -1
@cython.locals(traceparent=bytes, p="const unsigned char *", forms=list, own=bint)
cdef _take_over(RequestIds ids, RequestHead head, bint headers)
cdef _mark(RequestIds ids, int bits)

@cython.locals(version=bytes, trace=bytes, span=bytes)
cpdef bint valid_traceparent(bytes value) except -1
