cimport cython

cdef class RouteStats:
    cdef public list buckets
    cdef public long in_flight
    cdef public dict rejections
    cdef public dict requests
    cdef public dict retries
    cdef public double seconds
    cpdef started(self)
    cpdef finished(self, bytes method, int status, double seconds)

cdef class UpstreamStats:
    cdef public dict attempts
    cdef public list buckets
    cdef public dict connects
    cdef public double seconds
    cpdef attempt_finished(self, str outcome, double seconds)
