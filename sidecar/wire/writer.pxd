cimport cython

from sidecar.wire.message cimport RequestHead, ResponseHead

cdef int _CHUNKED
cdef int _NO_BODY
cdef int _UNTIL_CLOSE
cdef bytes _REQUEST_END
cdef bytes _CODING
cdef bytes _VIA_11
cdef bytes _VIA_10
cdef bytes _KEEP_ALIVE
cdef bytes _CLOSE
cdef dict _REASONS
cdef dict _LINES

cpdef bytes status_line(int status, bytes reason=*)

@cython.locals(fields=bytes, tail=bytes)
cpdef bytes request_head(RequestHead head, bytes extra, bytes more=*)

cdef bytes _request_connection(RequestHead head)

@cython.locals(status=int, line=bytes, tail=bytes, close=bytes)
cpdef bytes response_head(ResponseHead head, int framing, bint keep_alive, int minor_version, bytes extra=*)

cpdef bytes chunk_start(Py_ssize_t size)
cpdef bytes last_chunk(bytes trailers=*)
