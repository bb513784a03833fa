cimport cython

from sidecar.runtime.upstream cimport Endpoint, Route

cdef class Decision:
    cdef public int attempt
    cdef public double attempt_deadline
    cdef public double attempt_started
    cdef public double deadline
    cdef public Endpoint endpoint
    cdef public bint fresh
    cdef public str key
    cdef public bint pending
    cdef public object reason
    cdef public bint replayable
    cdef public bint retried
    cdef public Route route
    cdef public int status
    cpdef int begin(self, double now, str key) except -1
    @cython.locals(limit=double)
    cpdef request_sent(self, double now)
    cpdef int failed(self, double now, object cause) except -1
    cpdef int expired(self, double now) except -1
    cpdef int answered(self, double now, int status) except -1
    @cython.locals(status=int)
    cpdef completed(self, double now)
    cpdef int broken_off(self, double now, object cause) except -1
    cpdef abandoned(self, double now)
    @cython.locals(endpoint=Endpoint)
    cdef int _attempt(self, double now, Endpoint same) except -1
    @cython.locals(endpoint=Endpoint)
    cdef _settle(self, double now, str outcome)
