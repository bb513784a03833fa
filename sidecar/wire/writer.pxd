cimport cython

from sidecar.wire.message cimport RequestHead, ResponseHead

cdef int CHUNKED
cdef int UNTIL_CLOSE
cdef bytes _REQUEST_END
cdef bytes _CODING
cdef bytes _VIA_11
cdef bytes _VIA_10
cdef bytes _KEEP_ALIVE
cdef bytes _CLOSE
cdef dict _REASONS
cdef dict _LINES

cpdef bytes status_line(int status, bytes reason=*)

@cython.locals(fields=bytes)
cpdef bytes request_head(RequestHead head, bytes extra, bytes more=*, bytes authority=*)
@cython.locals(block=bytes)
cpdef bytes edited_request_head(RequestHead head, bytes target, bytes extra, object edits, bytes authority=*)
cdef bytes _hosted(RequestHead head, bytes authority)
@cython.locals(tail=bytes)
cdef bytes _request_tail(RequestHead head)

cdef bytes _request_connection(RequestHead head)

@cython.locals(status=int, line=bytes, tail=bytes, close=bytes, via=bytes)
cpdef bytes response_head(
    ResponseHead head, int framing, bint keep_alive, int minor_version, bytes extra=*, object edits=*
)

cpdef bytes chunk_start(Py_ssize_t size)
cpdef bytes last_chunk(bytes trailers=*)
