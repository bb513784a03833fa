cdef class Endpoint:
    cdef public object address
    cdef public bytes authority
    cdef public object channel
    cdef public int in_flight
    cdef public str name
    cdef public str origin
    cdef public str scheme
    cdef public str upstream_name
    cdef public int weight

cdef class Upstream:
    cdef public object _rng
    cdef public object balance
    cdef public double connect_timeout
    cdef public tuple endpoints
    cdef public str name
    cdef public object observer
    cdef public object pool
    cdef public object resolve
    cdef public object strategy
    cpdef Endpoint pick(self, double now, str key, Endpoint avoid)

cdef class Route:
    cdef public double attempt_timeout
    cdef public double idle_timeout
    cdef public object key
    cdef public object matcher
    cdef public str name
    cdef public object observer
    cdef public double request_timeout
    cdef public int rule_index
    cdef public Upstream upstream
