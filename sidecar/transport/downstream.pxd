cimport cython

from sidecar.transport.departure cimport Departure
from sidecar.transport.flow cimport ReadGate, WriteWatch
from sidecar.transport.intake cimport RequestIntake
from sidecar.transport.sending cimport MessageWriter
from sidecar.transport.service cimport Service
from sidecar.transport.wheel cimport DeadlineWheel, Timer
from sidecar.wire.message cimport RequestHead

cdef class DownstreamConnection:
    cdef bint _close_after
    cdef Departure _departure
    cdef bint _draining
    cdef bint _full
    cdef ReadGate _gate
    cdef double _idle_timeout
    cdef RequestIntake _intake
    cdef MessageWriter _out
    cdef object _receiver
    cdef bint _served
    cdef Service _service
    cdef object _settings
    cdef Timer _timer
    cdef public object _transport
    cdef object _tunnel
    cdef WriteWatch _watch
    cdef DeadlineWheel _wheel
    cdef public bint more
    cdef public object origin
    cdef public double started
    cdef public int state
    cdef public Timer timer
    @cython.locals(state=int)
    cpdef data_received(self, data)
    cpdef send_head(self, bytes head, int framing, bint close, bint hold=*, long long length=*)
    cpdef send_data(self, bytes data)
    @cython.locals(state=int)
    cpdef send_end(self, bytes trailers=*)
    @cython.locals(intake=RequestIntake, head=RequestHead)
    cdef _read_heads(self, bytes data)
    @cython.locals(intake=RequestIntake, body=bytes, service=Service)
    cdef _begin(self, RequestHead head)
    @cython.locals(intake=RequestIntake)
    cdef _classify(self)
    @cython.locals(intake=RequestIntake)
    cdef _tell_request(self, bytes body)
    cdef _await_head(self)
    cdef _await_body(self)
    cdef _finish(self)
    cdef _refuse(self, object reason, str detail)
    cdef _linger(self)
    cdef _close(self)
    cdef _cut(self)
    cdef _leave_state(self)
    cdef _activate(self)
