cimport cython

cdef double _ROUNDING
cdef int _SLICES

cdef class RetryBudget:
    cdef double _capacity
    cdef double _cost
    cdef double _floor
    cdef double _floor_at
    cdef double _fresh
    cdef double _next_slice
    cdef double _older
    cdef list _slices
    cdef public double min_per_second
    cdef public double ratio
    cpdef deposit(self, double now)
    @cython.locals(credit=double, worth=double)
    cpdef bint try_withdraw(self, double now) except -1
    cpdef double available(self, double now) except? -9.0
    cpdef RetryBudget apart(self)
    cpdef inherit(self, RetryBudget before, double now)
    @cython.locals(
        second=cython.longlong, last=cython.longlong, step=cython.longlong, slices=list, total=double, credit=double
    )
    cdef _turn(self, double now)
    @cython.locals(floor=double)
    cdef _refill(self, double now)
    @cython.locals(slices=list, place=Py_ssize_t, taken=double)
    cdef _spend(self, double credit)
