cdef class Connections:
    cdef public long active
    cdef public long idle
