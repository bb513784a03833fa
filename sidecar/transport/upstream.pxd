cimport cython

from sidecar.transport.flow cimport ReadGate
from sidecar.transport.sending cimport MessageWriter
from sidecar.transport.stream cimport Channel, Receiver, UpstreamStream
from sidecar.transport.wheel cimport DeadlineWheel, Timer
from sidecar.wire.head cimport parse_response
from sidecar.wire.message cimport HeadLimits as _Limits
from sidecar.wire.message cimport ResponseHead

cdef Receiver DEAF
cdef int BODY
cdef int BY_ANY
cdef int BY_RECEIVER
cdef int CLOSED
cdef int DONE
cdef int FLOWING
cdef int FULL
cdef int FULL_READ
cdef int HEAD
cdef int IDLE
cdef int LEASED
cdef int LENGTH
cdef int NO_BODY
cdef int TOLD
cdef int TUNNEL
cdef int WAITING
cdef double _DISCARD_SECONDS
cdef long long _MAX_DISCARDED
cdef int _MAX_INFORMATIONAL

cdef class Home(Channel):
    cpdef give_back(self, UpstreamConnection connection)
    cpdef lost(self, UpstreamConnection connection, bint leased)
    cpdef aged(self, UpstreamConnection connection)

cdef class UpstreamConnection(UpstreamStream):
    cdef bytes _backlog
    cdef object _decoder
    cdef ReadGate _gate
    cdef double _held_at
    cdef public Home _home
    cdef int _informational
    cdef _Limits _limits
    cdef bytes _method
    cdef MessageWriter _out
    cdef int _pressure
    cdef Receiver _receiver
    cdef bytes _request_head
    cdef long long _rest
    cdef bint _reusable
    cdef Py_ssize_t _searched
    cdef public object _transport
    cdef object _tunnel
    cdef DeadlineWheel _wheel
    cdef public double born
    cdef public double dialled
    cdef public int state
    cdef public Timer timer
    cpdef double since(self, double now) except? -9
    @cython.locals(state=int)
    cpdef data_received(self, data)
    cpdef start(self, Receiver receiver, bytes method, bytes head, int framing, bint more, long long length=*)
    cpdef send_data(self, bytes data)
    cpdef send_end(self, bytes trailers=*)
    cpdef cancel(self)
    cpdef discard(self)
    cpdef pause(self)
    cpdef resume(self)
    cpdef double held_since(self) except? -9
    @cython.locals(head=ResponseHead, receiver=Receiver)
    cdef _read_heads(self, bytes data)
    @cython.locals(size=Py_ssize_t, body=bytes, trailers=bytes, end=cython.longlong, done=bint, framing=int, receiver=Receiver)
    cdef _read_final(self, ResponseHead head, bytes data)
    @cython.locals(body=bytes, receiver=Receiver)
    cdef _read_body(self, bytes data)
    # An object: the bound methods of a typed receiver would lose their `self`.
    @cython.locals(receiver=object)
    cdef _switch(self, ResponseHead head, bytes rest)
    @cython.locals(receiver=Receiver)
    cdef _complete(self, bytes trailers)
    cdef _break_off(self)
    cdef _lose(self, str detail)
    @cython.locals(receiver=Receiver)
    cdef _fail(self, object cause, str detail)
    cdef _shut(self, bint leased)
