cimport cython

cdef double _MAX_BEYOND

cdef class Backoff:
    cdef public double base
    cdef public double cap
    cdef public object rng
    @cython.locals(bound=double, computed=double, longest=double)
    cpdef double wait(self, int retry, double hint) except? -9.0
