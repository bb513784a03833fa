cimport cython

cdef bint _COMPILED
cdef int _EXACT
cdef int _PREFIX

cdef class Matcher:
    cdef bytes _below
    cdef readonly bint always
    cdef readonly tuple headers
    cdef readonly bytes host
    cdef readonly bytes host_below
    cdef readonly int kind
    cdef readonly object methods
    cdef readonly bint needs_host
    cdef readonly bint needs_path
    cdef readonly bytes path
    cdef readonly object rule
    cdef readonly tuple segments
    cdef readonly dict variables
    cpdef bint matches(self, object head, bytes path, bytes host) except -1
    cdef bint _path_fits(self, bytes path) except -1
    cdef bint _host_fits(self, bytes host) except -1

cpdef bytes matching_host(bytes authority)

@cython.locals(data="const unsigned char *", at=Py_ssize_t, byte=int)
cdef bint _is_plain(bytes authority) except -1
