cimport cython

from sidecar.wire.runs cimport ByteRun

cdef ByteRun _REG_NAME
cdef ByteRun _LITERAL
cdef ByteRun _DIGITS

@cython.locals(limit=Py_ssize_t, end=Py_ssize_t)
cpdef bint valid_authority(bytes value) except -1
