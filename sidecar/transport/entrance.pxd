cimport cython

from sidecar.transport.service cimport Service

cdef class Entrance:
    cdef Service _service
