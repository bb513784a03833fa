from sidecar.runtime.route cimport Route

cdef class Router:
    cdef Route _always
    cdef bint _needs_host
    cdef bint _needs_path
    cdef public tuple routes
    cpdef Route match(self, object head)
