cdef class Endpoint:
    cdef public object address
    cdef public bytes authority
    cdef public object channel
    cdef public bint down
    cdef public bint drained
    cdef public object health
    cdef public str host
    cdef public int in_flight
    cdef public str name
    cdef public str origin
    cdef public double ramp_since
    cdef public str scheme
    cdef public int share
    cdef public bint unchecked
    cdef public double up_since
    cdef public str upstream_name
    cdef public int weight
