from sidecar.transport.pool cimport EndpointPool
from sidecar.transport.upstream cimport UpstreamConnection

cdef int LEASED

cdef class AnnouncingPool(EndpointPool):
    cdef set _dialled
    cdef str _version
    cpdef give_back(self, UpstreamConnection connection)
