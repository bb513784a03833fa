from sidecar.model.record cimport ExchangeLog
from sidecar.transport.wheel cimport DeadlineWheel
from sidecar.wire.forwarding cimport DeadlineLine
from sidecar.wire.trace_context cimport IdSource, TraceTerms

cdef class Environment:
    cdef public DeadlineLine deadline_line
    cdef public bint draining
    cdef public IdSource ids
    cdef public ExchangeLog log
    cdef public Py_ssize_t replay_bytes
    cdef public bint shedding
    cdef public tuple stores
    cdef public TraceTerms trace_terms
    cdef public object tracer
    cdef public object trusted
    cdef public DeadlineWheel wheel
