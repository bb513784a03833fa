cimport cython

cdef frozenset _NEVER
cdef frozenset _OF_ATTEMPTS

cdef class Fallback:
    cdef bint _exhausted
    cdef frozenset _reasons
    cdef bytes _statuses
    cdef public bytes body
    cdef public bytes fields
    cdef public str name
    cdef public bint shadow
    cdef public object stale
    cdef public int status
    cpdef bint stands_in_for(self, object reason, bint exhausted, int status=*) except -1
    @cython.locals(statuses="const unsigned char *")
    cpdef bint replaces_status(self, int status, bint exhausted=*) except -1
    cpdef inherit(self, Fallback before)
