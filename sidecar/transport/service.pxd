from sidecar.model.connections cimport Connections
from sidecar.transport.wheel cimport DeadlineWheel

cdef class Service:
    cdef public object acceptor
    cdef public Connections connections
    cdef public object origin_factory
    cdef public object registry
    cdef public object settings
    cdef public DeadlineWheel wheel
