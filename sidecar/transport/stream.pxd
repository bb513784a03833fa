from sidecar.transport.wheel cimport Timer
from sidecar.wire.message cimport RequestHead, ResponseHead
from sidecar.wire.origin cimport Origin as _Origin

cdef class Receiver:
    cpdef request_data(self, bytes data)
    cpdef request_bulk(self, object view)
    cpdef request_end(self, bytes trailers)
    cpdef request_broken(self, object reason, str detail)
    cpdef downstream_gone(self)
    cpdef downstream_paused(self)
    cpdef downstream_resumed(self)
    cpdef expired(self)
    cpdef leased(self, UpstreamStream stream)
    cpdef lease_failed(self, object cause, str detail)
    cpdef response_head(self, ResponseHead head, bint more)
    cpdef response_data(self, bytes data)
    cpdef response_bulk(self, object view)
    cpdef response_end(self, bytes trailers)
    cpdef upstream_failed(self, object cause, str detail)
    cpdef upstream_paused(self)
    cpdef upstream_resumed(self)

cdef class DownstreamStream:
    cdef public bint leaving
    cdef public bint more
    cdef public _Origin origin
    cdef public double started
    cdef public Timer timer
    cpdef send_informational(self, bytes head)
    cpdef send_head(self, bytes head, int framing, bint close, bint hold=*, long long length=*)
    cpdef send_data(self, bytes data)
    cpdef send_bulk(self, object view)
    cpdef send_end(self, bytes trailers=*)
    cpdef reset(self)
    cpdef open_tunnel(self, bint websocket=*)
    cpdef pause(self)
    cpdef resume(self)

cdef class Acceptor:
    cpdef Receiver request(self, DownstreamStream stream, RequestHead head)
    cpdef refuse(self, DownstreamStream stream, object reason, str detail)
    cpdef Receiver connection(self, DownstreamStream stream, tuple refusal)

cdef class UpstreamStream:
    cdef public bint reused
    cpdef double since(self, double now) except? -9
    cpdef open_tunnel(self, Receiver receiver)
    cpdef start(self, Receiver receiver, bytes method, bytes head, int framing, bint more, long long length=*)
    cpdef send_data(self, bytes data)
    cpdef send_bulk(self, object view)
    cpdef send_end(self, bytes trailers=*)
    cpdef cancel(self)
    cpdef discard(self)
    cpdef pause(self)
    cpdef resume(self)

cdef class Channel:
    cpdef UpstreamStream lease(self, Receiver receiver, double deadline, bint fresh=*, bint whole=*)
    cpdef forget(self, Receiver receiver)
