from sidecar.model.observer cimport TlsObserver

cdef class ListenerStats(TlsObserver):
    cdef public list buckets
    cdef public long gave_way
    cdef public dict handshakes
    cdef public dict proxy_headers
    cdef public double seconds
    cpdef handshake(self, str result, double seconds)
