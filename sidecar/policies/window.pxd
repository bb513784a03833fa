cimport cython

cdef class Window:
    cdef object _failures
    cdef object _requests
    cdef long long _second
    cdef object _slow
    cdef public long long failures
    cdef public long long requests
    cdef public long long slices
    cdef public long long slow
    @cython.locals(second=cython.longlong, place=Py_ssize_t)
    cpdef add(self, double now, bint failed, bint slow)
    @cython.locals(second=cython.longlong, place=Py_ssize_t)
    cpdef roll(self, double now)
    @cython.locals(place=Py_ssize_t)
    cpdef clear(self)
    @cython.locals(made=Window, age=cython.longlong, before=Py_ssize_t, place=Py_ssize_t)
    cpdef Window reshaped(self, long long slices, double now)
