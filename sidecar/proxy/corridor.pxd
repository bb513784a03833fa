cimport cython

from sidecar.exchange.decision cimport Decision
from sidecar.policies.retry cimport Retry
from sidecar.proxy.body_buffer cimport BodyBuffer
from sidecar.proxy.ending cimport Exchange
from sidecar.proxy.environment cimport Environment
from sidecar.proxy.heads cimport answer_framing, answer_head, attempt_head, informational_head
from sidecar.runtime.endpoint cimport Endpoint
from sidecar.transport.stream cimport Channel, UpstreamStream
from sidecar.transport.wheel cimport DeadlineWheel
from sidecar.wire.forwarding cimport client_scheme, forwarded_fields
from sidecar.wire.message cimport RequestHead, ResponseHead
from sidecar.wire.trace_context cimport IdSource, RequestIds

cdef int ATTEMPT
cdef int DELIVER
cdef int DONE
cdef int HELD
cdef double NO_HINT
cdef int RELAYING
cdef int RESPOND
cdef int SENDING
cdef int SUBSTITUTE
cdef int SWITCHING_PROTOCOLS
cdef int TUNNEL
cdef int UNTIL_CLOSE
cdef int WAIT
cdef int WAITING

cdef class Corridor(Exchange):
    @cython.locals(head=RequestHead, decision=Decision, retry=Retry)
    cpdef begin(self, double now)
    cpdef request_data(self, bytes data)
    @cython.locals(buffer=BodyBuffer, upstream=UpstreamStream)
    cdef _request_data(self, bytes data)
    cdef _let_go(self, BodyBuffer buffer)
    cpdef request_end(self, bytes trailers)
    @cython.locals(now=double)
    cdef _request_end(self, bytes trailers)
    cpdef response_head(self, ResponseHead head, bint more)
    cdef _interim(self, ResponseHead head)
    @cython.locals(
        now=double, step=int, framing=int, close=bint, extra=bytes, block=bytes, request=RequestHead, secure=bint
    )
    cdef _final(self, ResponseHead head, bint more)
    @cython.locals(value=bytes)
    cdef double _hint(self, ResponseHead head) except -9.0
    cdef _remember(self, ResponseHead head, double now)
    cpdef response_data(self, bytes data)
    @cython.locals(now=double, decision=Decision)
    cpdef response_end(self, bytes trailers)
    @cython.locals(wheel=DeadlineWheel, deadline=double, total=double)
    cdef _progress(self)
    @cython.locals(decision=Decision, endpoint=Endpoint, channel=Channel, stream=UpstreamStream, wheel=DeadlineWheel)
    cdef _perform(self, int step, double now)
    @cython.locals(
        decision=Decision,
        head=RequestHead,
        environment=Environment,
        ids=RequestIds,
        span=bytes,
        fields=bytes,
        block=bytes,
        authority=bytes,
        buffer=BodyBuffer,
        line=bytes,
        pending=bytes,
        more=bint,
    )
    cdef _start(self, UpstreamStream stream, double now)
    cdef _half_close(self)
