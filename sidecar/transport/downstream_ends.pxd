from sidecar.transport.departure cimport Departure
from sidecar.transport.flow cimport ReadGate, WriteWatch
from sidecar.transport.intake cimport RequestIntake
from sidecar.transport.sending cimport MessageWriter
from sidecar.transport.service cimport Service
from sidecar.transport.stream cimport DownstreamStream, Receiver
from sidecar.transport.wheel cimport DeadlineWheel, Timer

cdef Receiver DEAF
cdef int A_BODY
cdef int A_HEAD
cdef int BODY
cdef int BROKEN
cdef int CLOSED
cdef int CLOSING
cdef double FIRST_WORD_SECONDS
cdef int FLOWING
cdef int FULL
cdef int HEAD
cdef int IDLE
cdef int LINGER
cdef int NOTHING_MORE
cdef int READING
cdef double LINGER_SECONDS
cdef int TOLD
cdef int TUNNEL
cdef int UNSENT
cdef double _GRACE_SECONDS
cdef double _LEAST_RATE

cdef class Leaving(DownstreamStream):
    cdef bint _close_after
    cdef object _cork
    cdef Departure _departure
    cdef bint _ended
    cdef ReadGate _gate
    cdef double _idle_timeout
    cdef RequestIntake _intake
    cdef MessageWriter _out
    cdef Receiver _receiver
    cdef bint _served
    cdef Service _service
    cdef object _settings
    cdef Timer _timer
    cdef public object _transport
    cdef object _tunnel
    cdef WriteWatch _watch
    cdef DeadlineWheel _wheel
    cdef public object announced
    cdef public object refusal
    cdef public int state
    cdef bint _has_unsent(self) except -1
    cdef object _waits_for_body(self)
    cdef _close_unasked(self)
    cdef _linger(self)
    cdef _close(self)
    cdef _cut(self)
    cdef _leave_state(self)
    cdef _activate(self)
