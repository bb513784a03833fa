from sidecar.model.record cimport ExchangeLog

cdef class AccessLog(ExchangeLog):
    cdef object _access
    cdef bint _coloured
    cdef int _left
    cdef str _moment
    cdef object _monotonic
    cdef object _paced
    cdef object _random
    cdef long long _second
    cdef object _settings
    cdef long long _skip
    cdef double _slow
    cdef object _stats
    cdef long _untold
    cdef object _wall
    cdef long long _window
    cdef object _write
    cpdef bint wants(self, int status, bint refused, double seconds) except -1
    cpdef exchange(self, object record)
