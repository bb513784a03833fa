cimport cython

from sidecar.exchange.decision cimport Decision
from sidecar.proxy.environment cimport Environment
from sidecar.runtime.endpoint cimport Endpoint
from sidecar.runtime.route cimport Route
from sidecar.transport.stream cimport Channel, DownstreamStream, Receiver, UpstreamStream
from sidecar.transport.wheel cimport Timer

cdef int DONE
cdef int HELD
cdef int TUNNEL
cdef int WAITING
cdef double inf

cdef class Relay(Receiver):
    cdef public long long bytes_in
    cdef public long long bytes_out
    cdef public Decision decision
    cdef public str detail
    cdef public DownstreamStream downstream
    cdef public Environment environment
    cdef public bint half_closed
    cdef public Route route
    cdef public int state
    cdef public Timer timer
    cdef public Py_ssize_t unsent
    cdef public UpstreamStream upstream
    cpdef str key(self, object key)
    @cython.locals(now=double)
    cdef _half_close(self)
    @cython.locals(endpoint=Endpoint, channel=Channel)
    cdef _release(self, double now)
    @cython.locals(decision=Decision, taken=double)
    cdef _finish(self, double now, int status)
