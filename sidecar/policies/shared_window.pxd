cimport cython

from sidecar.policies.window cimport Window

cdef int _FAILURES
cdef int _REQUESTS
cdef int _SECOND
cdef int _SLOW

cdef class SharedWindow(Window):
    cdef object _numbers
    cpdef load(self)
    cpdef store(self)
    @cython.locals(place=Py_ssize_t)
    cpdef book(self, long long second, long long successes)
    @cython.locals(before=cython.longlong)
    cpdef roll(self, double now)
    @cython.locals(place=Py_ssize_t)
    cpdef fill(self, Window counts)
