cimport cython

from sidecar.policies.contract cimport Key

cdef int CLIENT_IP
cdef int COOKIE
cdef int HEADER

cdef class _Part:
    cdef public int index
    cdef public int kind
    cdef public bytes name
    @cython.locals(kind=int)
    cpdef str of(self, object head, str client_ip)

cdef class RequestKey(Key):
    cdef _Part _one
    cdef tuple _parts
    cpdef str of(self, object head, str client_ip)

cpdef str client_network(str client_ip)
