cimport cython

from sidecar.wire.message cimport RequestHead
from sidecar.wire.origin cimport Origin as _Origin
from sidecar.wire.trace_context cimport RequestIds

cdef double _NEVER

@cython.locals(chain=bytes, peer=bytes, proto=bytes, host=bytes, via=bytes, block=bytes)
cpdef bytes forwarded_fields(RequestHead head, _Origin origin, RequestIds ids, bytes span)

cdef bytes _proto_line(RequestHead head, _Origin origin)

@cython.locals(said=bytes)
cpdef bytes client_scheme(RequestHead head, _Origin origin)

@cython.final
cdef class DeadlineLine:
    cdef bytes _line
    cdef long long _milliseconds
    @cython.locals(milliseconds=cython.longlong)
    cpdef bytes of(self, double remaining)

cpdef bytes attempt_line(int attempt)
