cimport cython

from sidecar.wire.head cimport parse_request
from sidecar.wire.message cimport HeadLimits as _Limits
from sidecar.wire.message cimport RequestHead

cdef class RequestIntake:
    cdef object _decoder
    cdef _Limits _limits
    cdef long long _max_body_bytes
    cdef Py_ssize_t _searched
    cdef public bytes backlog
    cdef public bytes body
    cdef public bint complete
    cdef public str detail
    cdef public object reason
    cdef public bytes trailers
    @cython.locals(head=RequestHead, size=Py_ssize_t)
    cpdef RequestHead head(self, bytes data)
    cpdef bytes feed(self, bytes data)
    cpdef long long received(self) except -1
    cpdef Py_ssize_t keep(self, bytes data) except -1
    cpdef clear(self)
    cpdef fail(self, object reason, str detail)
    @cython.locals(end=cython.longlong)
    cdef _begin_counted(self, Py_ssize_t size, long long length, bytes data)
    cdef bytes _feed(self, bytes data, Py_ssize_t start)
    cdef _too_large(self)
