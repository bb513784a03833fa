from sidecar.tls.session cimport Session
from sidecar.transport.flow cimport ReadGate
from sidecar.transport.sending cimport MessageWriter
from sidecar.transport.wheel cimport DeadlineWheel

cdef int BY_BACKLOG
cdef int BY_RECEIVER
cdef int FULL_READ
cdef int CLOSED
cdef int CLOSING
cdef int HANDSHAKE
cdef int OPEN
cdef int _MOST_OWED

cdef class SecureTransport:
    cdef object _context
    cdef ReadGate _gate
    cdef object _inner
    cdef bint _is_corked
    cdef bint _is_full
    cdef MessageWriter _out
    cdef bint _out_ended
    cdef public object _raw
    cdef Session _session
    cdef bint _told
    cdef DeadlineWheel _wheel
    cdef public int state
    cpdef data_received(self, data)
    cpdef write(self, data)
    cpdef writelines(self, pieces)
    cpdef cork(self)
    cpdef write_eof(self)
    cpdef close(self)
    cpdef abort(self)
    cpdef pause_reading(self)
    cpdef resume_reading(self)
    cpdef get_write_buffer_size(self)
    cdef _begin(self)
    cdef _shake(self, data)
    cdef _left(self)
    cdef _over(self)
    cdef bint _cut_short(self) except -1
    cdef _open(self)
    cdef _deliver(self)
    cdef _tell_end(self)
    cdef _say(self, data)
    cdef _flush(self)
    cdef _end(self)
    cdef _lose(self, failure)
    cdef bint _truncated(self) except -1
