from sidecar.transport.secure_transport cimport SecureTransport
from sidecar.transport.service cimport Service
from sidecar.transport.wheel cimport Timer

cdef int A_HEAD
cdef int CLOSED
cdef int CLOSING
cdef int HANDSHAKE
cdef int _HANDSHAKE_RECORD

cdef class SecureServer(SecureTransport):
    cdef double _accepted
    cdef double _began
    cdef bint _heard
    cdef Service _service
    cdef object _terms
    cdef Timer _timer
    cdef _begin(self)
    cdef _shake(self, data)
    cdef _hear_plain(self, data)
    cdef _left(self)
    cdef _refuse(self, str word, str why)
    cdef _give_up(self)
    cdef _over(self)
    cdef _release(self)
    cdef _tell(self, str word, str why)
    cdef bint _cut_short(self) except -1

cdef class SecureClient(SecureTransport):
    cdef object _failure
    cdef object _name
    cdef object _resumption
    cdef object _waiter
    cdef _begin(self)
    cdef _shake(self, data)
    cdef _left(self)
    cdef _over(self)
    cdef _fail(self, failure)
    cdef _wake(self)
    cdef bint _cut_short(self) except -1
