cimport cython

cdef double _MIN_RATIO
cdef int _FULL

cdef class SlowStartRamp:
    cdef public double duration
    @cython.locals(full=cython.longlong, passed=double)
    cpdef long long share(self, long long weight, double since, double now) except? -9
