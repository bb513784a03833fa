cimport cython

cdef int _SUCCESS_BELOW
cdef int SWITCHING_PROTOCOLS
cdef double _FAIR_SHARE
cdef object _FAILURE
cdef object _IGNORED
cdef object _BLAMELESS
cdef object _NOT_A_FAILURE

cpdef bint is_good(int status) except -1

cpdef object of_failure(object cause)

@cython.locals(share=double)
cpdef object of_silence(double now, double since, double allowed, bint shortened)

@cython.locals(silent=bint)
cpdef object of_break(object cause, int status)
