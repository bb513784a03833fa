cdef Py_ssize_t _RECORD_BYTES

cdef class Session:
    cdef object _incoming
    cdef object _outgoing
    cdef object _read
    cdef object _write
    cdef public bint ended
    cdef public object fault
    cdef public object ssl_object
    cpdef bint handshake(self, bytes data) except -1
    cpdef receive(self, data)
    cpdef Py_ssize_t pending(self) except -1
    cpdef bytes read(self)
    cpdef write(self, data)
    cpdef end(self)
    cpdef Py_ssize_t unsent(self) except -1
    cpdef bytes take(self)
    cdef bytes _piece(self)
    cdef bint _left(self) except -1
