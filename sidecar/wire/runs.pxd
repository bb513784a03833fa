cimport cython

cdef bint _COMPILED

@cython.final
cdef class ByteRun:
    cdef bytes _table
    cdef object _pattern

    @cython.locals(p="const unsigned char *", table="const unsigned char *", i=Py_ssize_t)
    cpdef Py_ssize_t end(self, bytes data, Py_ssize_t start, Py_ssize_t limit) except -1
