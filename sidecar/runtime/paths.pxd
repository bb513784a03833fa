cimport cython

cdef bint _COMPILED
cdef int _PERCENT
cdef int _DOT
cdef int _SLASH
cdef int _SEMICOLON
cdef int _BACKSLASH

cpdef bytes matching_path(bytes path)

cpdef int climbs(bytes path) except -1

cpdef bytes unresolved(bytes path)

@cython.locals(data="const unsigned char *", count=Py_ssize_t, at=Py_ssize_t, byte=int, after_slash=bint)
cdef bint _is_plain(bytes path) except -1

@cython.locals(inner=bytes)
cpdef list segments(bytes path)

cdef list _pieces(bytes path)
