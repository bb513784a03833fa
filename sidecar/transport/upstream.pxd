cimport cython

from sidecar.transport.flow cimport ReadGate
from sidecar.transport.sending cimport MessageWriter
from sidecar.transport.wheel cimport Timer
from sidecar.wire.head cimport parse_response
from sidecar.wire.message cimport HeadLimits as _Limits
from sidecar.wire.message cimport ResponseHead

cdef class UpstreamConnection:
    cdef bytes _backlog
    cdef object _decoder
    cdef ReadGate _gate
    cdef public object _home
    cdef int _informational
    cdef _Limits _limits
    cdef object _loop
    cdef bytes _method
    cdef MessageWriter _out
    cdef int _pressure
    cdef object _receiver
    cdef bytes _request_head
    cdef bint _reusable
    cdef Py_ssize_t _searched
    cdef public object _transport
    cdef object _tunnel
    cdef public double born
    cdef public bint reused
    cdef public int state
    cdef public Timer timer
    @cython.locals(state=int)
    cpdef data_received(self, data)
    cpdef start(self, object receiver, bytes method, bytes head, int framing, bint more, long long length=*)
    cpdef send_data(self, bytes data)
    cpdef send_end(self, bytes trailers=*)
    @cython.locals(head=ResponseHead)
    cdef _read_heads(self, bytes data)
    @cython.locals(size=Py_ssize_t, body=bytes, trailers=bytes, end=cython.longlong, done=bint, framing=int)
    cdef _read_final(self, ResponseHead head, bytes data)
    @cython.locals(body=bytes)
    cdef _read_body(self, bytes data)
    cdef _switch(self, ResponseHead head, bytes rest)
    cdef _complete(self, bytes trailers)
    cdef _break_off(self)
    cdef _lose(self, str detail)
    cdef _fail(self, object cause, str detail)
    cdef _shut(self, bint leased)
