cimport cython

cdef class MessageWriter:
    cdef public int framing
    cdef public bytes held
    cdef public long long left
    cdef public int phase
    cdef public object transport
    cpdef begin(self, bytes head, int framing, long long length, bint hold)
    @cython.locals(framing=int, left=cython.longlong, held=bytes)
    cpdef bint data(self, bytes data) except -1
    @cython.locals(held=bytes)
    cpdef bint end(self, bytes trailers) except -1
    cpdef flush(self)
    @cython.locals(held=bytes)
    cdef _put_chunk(self, bytes data)

cpdef long long declared_length(bytes head) except -2
