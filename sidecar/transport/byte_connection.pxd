from sidecar.transport.departure cimport Departure
from sidecar.transport.flow cimport ReadGate, WriteWatch
from sidecar.transport.sending cimport MessageWriter
from sidecar.transport.service cimport Service
from sidecar.transport.stream cimport DownstreamStream, Receiver
from sidecar.transport.wheel cimport DeadlineWheel

cimport cython

cdef Receiver DEAF
cdef int BY_BACKLOG
cdef int BY_RECEIVER
cdef int FULL
cdef int TOLD
cdef int MUCH
cdef int _MAX_EARLY
cdef int WAITING
cdef int OPEN
cdef int CLOSING
cdef int CLOSED

cdef class ByteConnection(DownstreamStream):
    cdef Departure _departure
    cdef bytes _early
    cdef ReadGate _gate
    cdef bint _ended
    cdef bint _in_ended
    cdef bint _in_told
    cdef MessageWriter _out
    cdef Receiver _receiver
    cdef bint _out_ended
    cdef Service _service
    cdef WriteWatch _watch
    cdef DeadlineWheel _wheel
    cdef public object announced
    cdef public object refusal
    cdef public int state
    cdef public object transport
    cpdef data_received(self, data)
    cpdef open_tunnel(self, bint websocket=*)
    cpdef bulk_received(self, view)
    cpdef send_data(self, bytes data)
    cpdef send_bulk(self, object view)
    cpdef send_end(self, bytes trailers=*)
    cpdef reset(self)
    cpdef pause(self)
    cpdef resume(self)
    @cython.locals(receiver=Receiver)
    cdef _tell_end(self)
    cdef _close(self)
    cdef _cut(self)
    cdef _leave(self)
