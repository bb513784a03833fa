from sidecar.model.connections cimport Connections
from sidecar.transport.stream cimport Acceptor
from sidecar.transport.wheel cimport DeadlineWheel

cdef class Service:
    cdef public Acceptor acceptor
    cdef public Connections connections
    cdef public str name
    cdef public object origin_factory
    cdef public object proxy_protocol
    cdef public bint raw
    cdef public object registry
    cdef public object settings
    cdef public object tls
    cdef public DeadlineWheel wheel
