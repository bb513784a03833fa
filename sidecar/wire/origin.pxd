cdef class Origin:
    cdef public str peer_ip
    cdef public bytes scheme
    cdef public bint trusted
    cdef public int port
    cdef public str listener
    cdef public bytes certificate
    cdef public bytes forwarded
    cdef public bint x_forwarded
    cdef public bytes peer_token
    cdef public bytes peer_line
    cdef public bytes proto_line
