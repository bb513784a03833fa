from sidecar.transport.wheel cimport DeadlineWheel, Timer

cdef class ReadGate:
    cdef public int stops
    cdef public object transport
    cpdef stop(self, int who)
    cpdef start(self, int who)
    cpdef rest(self, object loop)
    cpdef _go_on(self)

cdef class WriteWatch:
    cdef double _patience
    cdef object _paused
    cdef object _stalled
    cdef Timer _timer
    cdef Py_ssize_t _unsent
    cdef DeadlineWheel _wheel
    cdef public int pressure
    cdef public double since
    cdef public object transport
