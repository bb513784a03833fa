cimport cython

from sidecar.proxy.corridor cimport Corridor
from sidecar.proxy.environment cimport Environment
from sidecar.runtime.upstream cimport Route
from sidecar.wire.message cimport RequestHead

cdef class Dispatcher:
    cdef public object current
    cdef public Environment environment
    cdef public object unrouted
    @cython.locals(route=Route, corridor=Corridor)
    cpdef request(self, object stream, RequestHead head)

cdef double _limit(RequestHead head) except -1.0
