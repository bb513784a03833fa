cimport cython

cdef int _NO_BODY

cdef class HeadLimits:
    cdef public Py_ssize_t max_bytes
    cdef public Py_ssize_t max_fields
    cdef public Py_ssize_t max_target

@cython.final
@cython.freelist(64)
cdef class RequestHead:
    cdef public bytes method
    cdef public bytes target
    cdef public bytes origin_target
    cdef public bytes path
    cdef public bytes query
    cdef public bytes authority
    cdef public int minor_version
    cdef public bytes fields
    cdef public Py_ssize_t size
    cdef public int framing
    cdef public long long content_length
    cdef public bint keep_alive
    cdef public bytes upgrade
    cdef public bint expect_continue
    cdef public long long max_forwards
    cdef public bytes forwarded_for
    cdef public bytes forwarded
    cdef public bytes forwarded_host
    cdef public bytes forwarded_proto
    cdef public bytes via
    cdef public bytes request_id
    cdef public bytes trace_fields
    cdef public bytes traceparent
    cdef public bytes timeout_ms
    cdef public bytes content_type
    cdef public bint has_idempotency_key
    cdef public bint te_trailers
    cdef bytes _lowered
    cpdef bytes header(self, bytes name)
    cdef bytes _picked(self, bytes name)

@cython.final
@cython.freelist(64)
cdef class ResponseHead:
    cdef public int status
    cdef public bint dated
    cdef public bytes reason
    cdef public int minor_version
    cdef public bytes fields
    cdef public Py_ssize_t size
    cdef public int framing
    cdef public long long content_length
    cdef public bint keep_alive
    cdef public bytes upgrade
    cdef bytes _lowered
    cpdef bytes header(self, bytes name)

cpdef bytes find_field(bytes fields, bytes lowered, bytes name)
