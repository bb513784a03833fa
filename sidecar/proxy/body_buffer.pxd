cdef class BodyBuffer:
    cdef public bint kept
    cdef public Py_ssize_t limit
    cdef public list pieces
    cdef public Py_ssize_t size
    cpdef add(self, bytes data)
    cpdef bint full(self) except -1
    cpdef let_go(self)
    cpdef bytes take(self)
