cimport cython

from sidecar.model.observer cimport UpstreamObserver
from sidecar.runtime.endpoint cimport Endpoint

cdef class Upstream

cdef class Succession:
    cdef public Upstream latest

cdef class Upstream:
    cdef public object _rng
    cdef public tuple admissions
    cdef public object balance
    cdef public tuple budgets
    cdef public double connect_timeout
    cdef public object ejection
    cdef public tuple endpoints
    cdef public object former
    cdef public object hold
    cdef public str name
    cdef public UpstreamObserver observer
    cdef public object pool
    cdef public object proxy_protocol
    cdef public object resolve
    cdef public object sentinel
    cdef public object slow_start
    cdef public object strategy
    cdef public Succession succession
    @cython.locals(endpoint=Endpoint, only=Endpoint, endpoints=tuple, barred=bint)
    cpdef Endpoint pick(self, double now, str key, Endpoint avoid)
    cpdef settle(self, double now, Endpoint endpoint, object outcome, double started)
    cpdef int available(self, double now)
    @cython.locals(latest=Upstream)
    cpdef bint lost(self, double now, Endpoint endpoint, double started) except -1
    @cython.locals(latest=Upstream)
    cpdef endpoints_changed(self, double now)
    @cython.locals(latest=Upstream)
    cdef Endpoint _elsewhere(self, double now, str key, Endpoint avoid)
    cdef Endpoint _only(self, Endpoint endpoint)
    cdef bint _will_do(self, Endpoint endpoint)
    cdef bint _takes(self, double now, Endpoint endpoint)
    @cython.locals(endpoint=Endpoint, taking=list)
    cdef tuple _choices(self, double now, Endpoint avoid)
    cdef _warm(self, double now, Endpoint endpoint)
    @cython.locals(one=Endpoint, out=int, others=int, takes=bint, member=bint)
    cdef _eject(self, double now, Endpoint endpoint, object ejection)
