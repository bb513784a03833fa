cimport cython

from sidecar.model.observer cimport UpstreamObserver

cdef object _FAILURE
cdef double _IN
cdef double _ROUNDING
cdef object _SUCCESS

cdef class EndpointHealth:
    cdef public double clean_since
    cdef public long long consecutive_failures
    cdef public double counts_after
    cdef public double ejected_until
    cdef public long long ejections
    cdef public str name
    cdef public long long shadow_ejections
    cdef public double shadow_until

cdef class Ejection:
    cdef double _base
    cdef long long _consecutive_failures
    cdef double _max
    cdef double _max_ejected_ratio
    cdef long long _most
    cdef UpstreamObserver _observer
    cdef public bint enforced
    cdef public object spec
    @cython.locals(out=bint)
    cpdef bint settle(self, double now, double started, EndpointHealth health, object outcome) except -1
    cpdef bint is_out(self, double now, EndpointHealth health) except -1
    cpdef bint available(self, double now, EndpointHealth health) except -1
    @cython.locals(seconds=double)
    cpdef double eject(self, double now, EndpointHealth health, int total, int out, int others) except? -9.0
    cpdef bint readmit(self, double now, EndpointHealth health) except -1
    @cython.locals(periods=double)
    cdef long long _forgiven(self, double now, EndpointHealth health) except? -9
