cimport cython

cdef int _CLOSE
cdef int _LONGEST_HEADER
cdef int _MASK_SIZE
cdef int _MASKED
cdef int _SMALL

@cython.final
cdef class Frames:
    cdef public bint closed
    cdef bint _closing
    cdef bytes _header
    cdef long long _left

    @cython.locals(at=Py_ssize_t, size=Py_ssize_t)
    cpdef follow(self, bytes data)
    cpdef Py_ssize_t finish(self, bytes data) except -2
    @cython.locals(
        size=Py_ssize_t, header=bytes, begin=Py_ssize_t, known=Py_ssize_t, length=Py_ssize_t, step=Py_ssize_t
    )
    cdef Py_ssize_t _advance(self, bytes data, Py_ssize_t at) except -2

@cython.locals(length=int, extended=int)
cdef Py_ssize_t _header_size(bytes data, Py_ssize_t at) except -2
@cython.locals(length=int)
cdef long long _payload_size(bytes data, Py_ssize_t at) except -2
