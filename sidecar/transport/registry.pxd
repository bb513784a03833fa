cdef class Registry:
    cdef set _open
    cdef list _when_empty
    cpdef add(self, object connection)
    cpdef discard(self, object connection)
