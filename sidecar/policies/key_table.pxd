cimport cython

cdef double _FULL
cdef int _FORGOTTEN_AT_ONCE

cdef class KeyTable:
    cdef object _tats
    cdef public long long evictions
    cdef public long long max_keys
    cpdef load(self, double now)
    cpdef double tat(self, str key) except? -9.0
    cpdef store(self, str key, double tat, double now)
    cpdef amend(self, str key, double tat)
    cpdef resize(self, long long max_keys, double now)
    @cython.locals(tat=double)
    cpdef rescale(self, double now, double factor)
    cdef _forget_full(self, double now)
    @cython.locals(tat=double)
    cdef _evict(self, double now)
