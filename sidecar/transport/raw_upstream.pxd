cimport cython

from sidecar.transport.stream cimport Receiver
from sidecar.transport.upstream cimport UpstreamConnection
from sidecar.transport.wheel cimport Timer

cdef Receiver DEAF
cdef int BY_BACKLOG
cdef int BY_RECEIVER
cdef int CLOSED
cdef int IDLE
cdef int LEASED
cdef int MUCH
cdef int TUNNEL
cdef double _PATIENCE_SECONDS

cdef class RawUpstream(UpstreamConnection):
    cdef bytes _early
    cdef bint _in_ended
    cdef bint _in_told
    cdef bint _out_ended
    cdef Timer _patience
    cdef Py_ssize_t _unsent
    cdef public object transport
    cpdef data_received(self, data)
    cpdef open_tunnel(self, Receiver receiver)
    cpdef bulk_received(self, view)
    cpdef send_data(self, bytes data)
    cpdef send_bulk(self, object view)
    cpdef send_end(self, bytes trailers=*)
    cpdef cancel(self)
    cpdef pause(self)
    @cython.locals(receiver=Receiver)
    cdef _tell_end(self)
    cdef _over(self)
    cdef _lose(self, str detail)
    cdef _shut(self, bint leased)
