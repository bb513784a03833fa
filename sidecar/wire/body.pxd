cimport cython

@cython.final
cdef class NoBody:
    cdef public bint done
    cdef public Py_ssize_t consumed
    cdef public long long received
    cdef public bytes trailers
    cpdef bytes feed(self, bytes data, Py_ssize_t start=*)
    cpdef bint finish_at_close(self) except -1

@cython.final
cdef class LengthBody:
    cdef public long long remaining
    cdef public bint done
    cdef public Py_ssize_t consumed
    cdef public long long received
    cdef public bytes trailers
    @cython.locals(available=Py_ssize_t, end=Py_ssize_t)
    cpdef bytes feed(self, bytes data, Py_ssize_t start=*)
    cpdef bint finish_at_close(self) except -1

@cython.final
cdef class UntilCloseBody:
    cdef public bint done
    cdef public Py_ssize_t consumed
    cdef public long long received
    cdef public bytes trailers
    cpdef bytes feed(self, bytes data, Py_ssize_t start=*)
    cpdef bint finish_at_close(self) except -1
