cimport cython

cdef class RouteStats:
    cdef dict _counts
    cdef public list buckets
    cdef public long in_flight
    cdef public dict rejections
    cdef public dict retries
    cdef public double seconds
    cpdef started(self)
    @cython.locals(counts=list, place=int)
    cpdef finished(self, bytes method, int status, double seconds)

cdef class UpstreamStats:
    cdef public dict attempts
    cdef public list buckets
    cdef public dict connects
    cdef public double seconds
    cpdef attempt_finished(self, str outcome, double seconds)

@cython.locals(bounds=tuple, low=int, high=int, middle=int, bound=double)
cpdef int bucket(double seconds) except -1
