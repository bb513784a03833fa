cimport cython

from sidecar.transport.downstream_ends cimport Leaving
from sidecar.transport.intake cimport RequestIntake
from sidecar.transport.sending cimport MessageWriter
from sidecar.transport.service cimport Service
from sidecar.transport.stream cimport Receiver
from sidecar.wire.message cimport RequestHead

cdef Receiver DEAF
cdef int ANSWER
cdef int BODY
cdef int BROKEN
cdef int BY_ANY
cdef int BY_BACKLOG
cdef int BY_RECEIVER
cdef int BY_TURN
cdef int CLOSED
cdef int CLOSING
cdef int FLOWING
cdef int FULL_READ
cdef int HEAD
cdef int IDLE
cdef int LENGTH
cdef int LINGER
cdef int TUNNEL
cdef int UNSENT
cdef int UNTIL_CLOSE
cdef Py_ssize_t _MAX_BACKLOG

cdef class DownstreamConnection(Leaving):
    @cython.locals(state=int)
    cpdef data_received(self, data)
    cpdef send_head(self, bytes head, int framing, bint close, bint hold=*, long long length=*)
    @cython.locals(out=MessageWriter)
    cpdef send_data(self, bytes data)
    @cython.locals(state=int)
    cpdef send_end(self, bytes trailers=*)
    cpdef send_informational(self, bytes head)
    cpdef reset(self)
    # An object: the bound methods of a typed receiver would lose their `self`.
    @cython.locals(receiver=object)
    cpdef open_tunnel(self, bint websocket=*)
    cpdef pause(self)
    cpdef resume(self)
    @cython.locals(intake=RequestIntake, head=RequestHead)
    cdef _read_heads(self, bytes data)
    @cython.locals(intake=RequestIntake, body=bytes, service=Service, receiver=Receiver)
    cdef _begin(self, RequestHead head)
    @cython.locals(intake=RequestIntake)
    cdef _classify(self)
    @cython.locals(intake=RequestIntake, receiver=Receiver)
    cdef _tell_request(self, bytes body)
    cdef _await_head(self)
    cdef _await_body(self)
    cdef _finish(self)
    cdef _refuse(self, object reason, str detail)
