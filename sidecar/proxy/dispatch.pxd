cimport cython

from sidecar.model.observer cimport RouteObserver
from sidecar.proxy.conduit cimport Conduit
from sidecar.proxy.corridor cimport Corridor
from sidecar.proxy.environment cimport Environment
from sidecar.runtime.route cimport Route
from sidecar.transport.stream cimport Acceptor, DownstreamStream, Receiver
from sidecar.wire.message cimport RequestHead

cdef Receiver DEAF
cdef int NO_BODY
cdef double inf

cdef class Dispatcher(Acceptor):
    cdef public object current
    cdef public Environment environment
    cdef public RouteObserver unrouted
    @cython.locals(route=Route, corridor=Corridor)
    cpdef Receiver request(self, DownstreamStream stream, RequestHead head)
    @cython.locals(environment=Environment, route=Route, conduit=Conduit)
    cpdef Receiver connection(self, DownstreamStream stream, tuple refusal)
    cpdef refuse(self, DownstreamStream stream, object reason, str detail)

@cython.locals(kind=bytes, grpc=bytes, text=bytes)
cdef double _limit(RequestHead head) except -1.0
