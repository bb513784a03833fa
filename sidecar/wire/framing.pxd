cdef int _ABSENT
cdef int _CHUNKED_CODING
cdef int _OTHER
cdef int NO_BODY
cdef int LENGTH
cdef int CHUNKED
cdef int UNTIL_CLOSE

cpdef int coding_of(bytes value) except -1
cpdef str transfer_fault(int coding, long long content_length, int minor_version)
cpdef int request_framing(int coding, long long content_length) except -1
cpdef bint bodiless(int status, bytes request_method) except -1
cpdef int response_framing(int status, bytes request_method, int coding, long long content_length) except -1
cpdef bint persists(int minor_version, bint close, bint keep_alive) except -1
cpdef bint response_persists(
    int status, int framing, int coding, long long content_length, int minor_version, bint close, bint keep_alive
) except -1
cpdef int downstream_framing(int framing, int minor_version) except -1
