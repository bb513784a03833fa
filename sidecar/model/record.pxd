cdef class ExchangeLog:
    cpdef bint wants(self, int status, bint refused, double seconds) except -1
    cpdef exchange(self, object record)
