from sidecar.transport.flow cimport ReadGate, WriteWatch

cdef class Departure:
    cdef public ReadGate _gate
    cdef public WriteWatch _watch
    cdef public Py_ssize_t discarded
    cdef public object transport
    cpdef attach(self, object transport)
    cpdef linger(self)
    cpdef bint discard(self, Py_ssize_t size) except -1
    cpdef close(self)
    cpdef cut(self)
