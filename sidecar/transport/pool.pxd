cimport cython

from sidecar.model.connections cimport Connections
from sidecar.transport.stream cimport Receiver
from sidecar.transport.upstream cimport Home, UpstreamConnection
from sidecar.transport.wheel cimport DeadlineWheel

cdef int CLOSED
cdef int IDLE
cdef int LEASED

cdef class EndpointPool(Home):
    cdef dict _aside
    cdef bint _closed
    cdef object _connect_timeout
    cdef int _connecting
    cdef Connections _connections
    cdef int _dialling
    cdef str _errand
    cdef public list _idle
    cdef int _in_use
    cdef object _limits
    cdef object _loop
    cdef object _observer
    cdef set _open
    cdef object _pace
    cdef object _relief
    cdef bint _serving
    cdef double _idle_timeout
    cdef long long _max_connections
    cdef double _max_lifetime
    cdef object _settings
    cdef object _tasks
    cdef dict _waiting
    cdef DeadlineWheel _wheel
    cdef public object address
    cdef public object connector
    cdef public bytes greeting
    cdef public bint raw
    cdef public object version
    cpdef UpstreamConnection lease(self, Receiver receiver, double deadline, bint fresh=*, bint whole=*)
    cpdef forget(self, Receiver receiver)
    cdef long long _room(self) except? -9
    @cython.locals(now=double, end=double)
    cpdef give_back(self, UpstreamConnection connection)
    cpdef lost(self, UpstreamConnection connection, bint leased)
    cpdef aged(self, UpstreamConnection connection)
    cdef UpstreamConnection _lend(self, UpstreamConnection connection)
