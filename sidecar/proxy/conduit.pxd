cimport cython

from sidecar.exchange.decision cimport Decision
from sidecar.proxy.environment cimport Environment
from sidecar.runtime.route cimport Route
from sidecar.runtime.upstream cimport Endpoint
from sidecar.transport.stream cimport Channel, DownstreamStream, Receiver, UpstreamStream
from sidecar.transport.wheel cimport DeadlineWheel, Timer

cdef int ATTEMPT
cdef int DONE
cdef int HELD
cdef int TUNNEL
cdef int WAIT
cdef int WAITING
cdef double inf

cdef class Conduit(Receiver):
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
    cpdef request_data(self, bytes data)
    cpdef request_bulk(self, object view)
    cpdef request_end(self, bytes trailers)
    cpdef response_data(self, bytes data)
    cpdef response_bulk(self, object view)
    cpdef response_end(self, bytes trailers)
    @cython.locals(wheel=DeadlineWheel, deadline=double)
    cdef _touch(self)
    @cython.locals(decision=Decision, endpoint=Endpoint, channel=Channel, stream=UpstreamStream, wheel=DeadlineWheel)
    cdef _perform(self, int step, double now)
    @cython.locals(decision=Decision)
    cdef _couple(self, UpstreamStream stream, double now)
    @cython.locals(now=double)
    cdef _half_close(self)
    @cython.locals(endpoint=Endpoint, channel=Channel)
    cdef _release(self, double now)
    @cython.locals(decision=Decision, taken=double)
    cdef _finish(self, double now, int status)
