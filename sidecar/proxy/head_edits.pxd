from sidecar.wire.message cimport RequestHead

cdef class HeadEdits:
    cdef public object own
    cdef public object own_secure
    cdef public object request
    cdef public object response
    cdef public object rewrite
    cdef public object secure
    cpdef bytes request_head(self, RequestHead head, bytes lines, bytes authority=*)
    cpdef object of_answer(self, bint secure)
    cpdef bytes to_own(self, bytes block, bint secure)
