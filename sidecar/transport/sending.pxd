cimport cython

from sidecar.transport.direct cimport descriptor, plain_socket, send_now, write_now

cdef int CHUNKED
cdef int DONE
cdef int LENGTH
cdef int NO_DESCRIPTOR
cdef int NO_BODY
cdef int OPEN
cdef int UNSENT
cdef int UNTIL_CLOSE
cdef Py_ssize_t _JOIN_BYTES

cdef class MessageWriter:
    cdef int _number
    cdef bint _queued
    cdef int _socket
    cdef public int framing
    cdef public bytes held
    cdef public long long left
    cdef public int phase
    cdef public object transport
    cpdef attach(self, object transport)
    cpdef detach(self)
    @cython.locals(number=int, sent=Py_ssize_t)
    cpdef put(self, bytes data)
    @cython.locals(sent=Py_ssize_t)
    cpdef put_view(self, object view)
    cdef bint _waits(self) except -1
    cpdef begin(self, bytes head, int framing, long long length, bint hold)
    @cython.locals(framing=int, left=cython.longlong, held=bytes)
    cpdef bint data(self, bytes data) except -1
    @cython.locals(held=bytes)
    cpdef bint end(self, bytes trailers) except -1
    cpdef flush(self)
    @cython.locals(held=bytes)
    cdef _put_chunk(self, bytes data)

cpdef long long declared_length(bytes head) except -2
