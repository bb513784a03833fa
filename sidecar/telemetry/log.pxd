from sidecar.model.record cimport ExchangeLog

cdef class AccessLog(ExchangeLog):
    cdef object _access
    cdef int _left
    cdef object _monotonic
    cdef object _stats
    cdef int _untold
    cdef object _wall
    cdef long long _window
    cdef object _write
    cpdef bint wants(self, int status, bint refused, double seconds) except -1
    cpdef exchange(self, object record)
