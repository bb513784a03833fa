from sidecar.transport.wheel cimport Timer

cdef class Patience:
    cdef bint _fired
    cdef object _task
    cdef public Timer timer
