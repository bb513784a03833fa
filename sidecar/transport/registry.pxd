cdef class Registry:
    cdef set _open
    cdef list _told_at
    cdef public bint leaving
    cpdef add(self, object connection)
    cpdef discard(self, object connection)
