cimport cython

from sidecar.exchange.decision cimport Decision
from sidecar.proxy.body_buffer cimport BodyBuffer
from sidecar.proxy.environment cimport Environment
from sidecar.runtime.upstream cimport Endpoint, Route
from sidecar.proxy.heads cimport answer_framing, answer_head, attempt_head, informational_head
from sidecar.transport.stream cimport Channel, DownstreamStream, Receiver, UpstreamStream
from sidecar.transport.wheel cimport DeadlineWheel, Timer
from sidecar.wire.forwarding cimport RequestIds, request_ids, stable_fields
from sidecar.wire.message cimport RequestHead, ResponseHead

cdef int ATTEMPT
cdef int DONE
cdef int NO_BODY
cdef int RELAYING
cdef int SENDING
cdef int SWITCHING_PROTOCOLS
cdef int TUNNEL
cdef int UNTIL_CLOSE
cdef int WAITING

cdef class Corridor(Receiver):
    cdef public BodyBuffer buffer
    cdef public long long bytes_in
    cdef public long long bytes_out
    cdef public bint complete
    cdef public Decision decision
    cdef public str detail
    cdef public DownstreamStream downstream
    cdef public Environment environment
    cdef public bint half_closed
    cdef public RequestHead head
    cdef public RequestIds ids
    cdef public Route route
    cdef public bytes stable
    cdef public int state
    cdef public Timer timer
    cdef public bytes trailers
    cdef public UpstreamStream upstream
    cpdef begin(self, double now, str key)
    cpdef request_data(self, bytes data)
    @cython.locals(buffer=BodyBuffer, upstream=UpstreamStream)
    cdef _request_data(self, bytes data)
    cdef _let_go(self, BodyBuffer buffer)
    cpdef request_end(self, bytes trailers)
    @cython.locals(now=double)
    cdef _request_end(self, bytes trailers)
    cpdef response_head(self, ResponseHead head, bint more)
    cdef _interim(self, ResponseHead head)
    @cython.locals(now=double, framing=int, close=bint, block=bytes)
    cdef _final(self, ResponseHead head, bint more)
    cpdef response_data(self, bytes data)
    @cython.locals(now=double)
    cpdef response_end(self, bytes trailers)
    @cython.locals(decision=Decision, endpoint=Endpoint, channel=Channel, stream=UpstreamStream)
    cdef _perform(self, int step, double now)
    @cython.locals(decision=Decision, head=RequestHead, block=bytes, buffer=BodyBuffer, pending=bytes, more=bint)
    cdef _start(self, UpstreamStream stream, double now)
    @cython.locals(wheel=DeadlineWheel)
    cdef _progress(self)
    cdef _half_close(self)
    cdef _cut(self, double now, object cause)
    cdef _finish(self, double now, int status)
