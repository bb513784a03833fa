cdef class RouteObserver:
    cpdef started(self)
    cpdef finished(self, bytes method, int status, double seconds, bytes trace_id, bint sampled)
    cpdef rejected(self, str rule, object reason)
    cpdef shadow_rejected(self, str rule, object reason)
    cpdef retried(self, str reason)
    cpdef retry_skipped(self, str why)
    cpdef fell_back(self, str kind, str cause)

cdef class UpstreamObserver:
    cpdef attempt_finished(self, str outcome, double seconds)
    cpdef connected(self, str result)
    cpdef ejected(self, str endpoint, double seconds)
    cpdef readmitted(self, str endpoint)
    cpdef checked(self, str endpoint, str result)
    cpdef health_changed(self, str endpoint, bint up, str why, bint shadow)
    cpdef hold_counted(self, str result)
    cpdef hold_began(self)
    cpdef hold_ended(self, int released, double seconds)

cdef class BreakerObserver:
    cpdef transition(self, str before, str after, str why)

cdef class TlsObserver:
    cpdef handshake(self, str result, double seconds)
