cimport cython

cdef double inf
cdef int _NOWHERE

cdef class Timer:
    cdef public object callback
    cdef public double deadline
    cdef public long long slot

cdef class DeadlineWheel:
    cdef object _clock
    cdef list _due
    cdef object _handle
    cdef bint _is_late
    cdef public dict _slots
    cdef double _stall
    cdef double _tick
    cdef long long _wake_slot
    cdef public object loop
    cdef public double turn
    cpdef double now(self) except -1.0
    @cython.locals(slot=cython.longlong)
    cpdef set(self, Timer timer, double deadline)
    cpdef clear(self, Timer timer)
    cpdef drop(self, Timer timer)
    @cython.locals(slot=cython.longlong)
    cdef _place(self, Timer timer)
    cdef _sleep(self, double now)
