cimport cython

from sidecar.exchange.decision cimport Decision
from sidecar.proxy.relay cimport Relay
from sidecar.runtime.endpoint cimport Endpoint
from sidecar.transport.stream cimport Channel, UpstreamStream
from sidecar.transport.wheel cimport DeadlineWheel

cdef int ATTEMPT
cdef int DONE
cdef int HELD
cdef int STOOD
cdef int TUNNEL
cdef int WAIT
cdef int WAITING

cdef class Conduit(Relay):
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
