cimport cython

from sidecar.exchange.decision cimport Decision
from sidecar.policies.fallback cimport Fallback
from sidecar.proxy.body_buffer cimport BodyBuffer
from sidecar.proxy.environment cimport Environment
from sidecar.runtime.route cimport Route
from sidecar.runtime.endpoint cimport Endpoint
from sidecar.transport.stream cimport Channel, DownstreamStream, Receiver, UpstreamStream
from sidecar.transport.wheel cimport Timer
from sidecar.wire.message cimport RequestHead
from sidecar.wire.trace_context cimport RequestIds, request_ids

cdef int DONE
cdef int HELD
cdef int NO_BODY
cdef double NO_TIME
cdef int RELAYING
cdef int WAITING

cdef class Exchange(Receiver):
    cdef public BodyBuffer buffer
    cdef public long long bytes_in
    cdef public long long bytes_out
    cdef public object capture
    cdef public str client
    cdef public bint complete
    cdef public Decision decision
    cdef public str detail
    cdef public DownstreamStream downstream
    cdef public Environment environment
    cdef public str fallback
    cdef public bint half_closed
    cdef public RequestHead head
    cdef public RequestIds ids
    cdef public bint paused
    cdef public Route route
    cdef public int state
    cdef public Timer timer
    cdef public bytes trailers
    cdef public UpstreamStream upstream
    cdef str _asker(self)
    cpdef str key(self, object key)
    @cython.locals(decision=Decision, close=bint, extra=bytes, fallback=Fallback)
    cdef _answer(self, double now, object reason, str detail)
    @cython.locals(decision=Decision, close=bint)
    cdef _respond(self, double now)
    @cython.locals(close=bint, fallback=Fallback)
    cdef bint _substitute(self, double now) except -1
    cdef object _fall_back(self, double now, Fallback fallback, str cause, bint close)
    cdef bytes _connection(self, bint close)
    cdef bint _closes(self) except -1
    cdef _reply(self, double now, object reply, bint close)
    cdef _cut(self, double now, object cause)
    @cython.locals(endpoint=Endpoint, channel=Channel)
    cdef _release(self, double now)
    @cython.locals(upstream=UpstreamStream)
    cdef _discard(self)
    cdef _count_late(self, double now, object times)
    @cython.locals(decision=Decision)
    cdef _finish(self, double now, int status)
    cdef _end_at_last(self)
