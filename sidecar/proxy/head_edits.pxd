from sidecar.wire.message cimport RequestHead

cdef class HeadEdits:
    cdef public object request
    cdef public object response
    cdef public object rewrite
    cpdef bytes request_head(self, RequestHead head, bytes lines)
