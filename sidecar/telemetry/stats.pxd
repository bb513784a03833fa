cimport cython

from sidecar.model.observer cimport BreakerObserver, RouteObserver, UpstreamObserver

cdef double[16] _BOUNDS
cdef int _COUNT
cdef int[600] _PLACES

cdef class RouteStats(RouteObserver):
    cdef dict _counts
    cdef bint[17] _exemplar_sampled
    cdef double[17] _exemplar_seconds
    cdef list _exemplar_traces
    cdef public list buckets
    cdef public dict fallbacks
    cdef public long in_flight
    cdef public dict rejections
    cdef public dict retries
    cdef public dict retries_skipped
    cdef public double seconds
    cdef public dict shadow_rejections
    cpdef started(self)
    @cython.locals(counts=list, place=int)
    cpdef finished(self, bytes method, int status, double seconds, bytes trace_id, bint sampled)

cdef class UpstreamStats(UpstreamObserver):
    cdef object _events
    cdef public dict attempts
    cdef public list buckets
    cdef public dict connects
    cdef public dict ejections
    cdef public dict health_checks
    cdef public dict hold
    cdef public str name
    cdef public double seconds
    cpdef attempt_finished(self, str outcome, double seconds)

cdef class BreakerStats(BreakerObserver):
    cdef object _events
    cdef public str label
    cdef public dict transitions

@cython.locals(low=int, high=int, middle=int)
cpdef int bucket(double seconds) except -1
