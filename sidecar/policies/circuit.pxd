cimport cython

from sidecar.model.observer cimport BreakerObserver
from sidecar.policies.window cimport Window

cdef double NO_TIME
cdef int REFUSED
cdef int _AUTO
cdef int _CLOSED
cdef int _HALF_OPEN
cdef int _OPEN
cdef object _FAILURE
cdef object _IGNORED
cdef object _SUCCESS
cdef int _MOST_DOUBLINGS
cdef double _PROBES_ARE_OUT

cdef class Thresholds:
    cdef public long long consecutive_failures
    cdef public double failure_ratio
    cdef public long long half_open_requests
    cdef public double lease_seconds
    cdef public double max_open_for
    cdef public long long min_requests
    cdef public double open_for
    cdef public long long slices
    cdef public double slow_after
    cdef public double slow_ratio
    cdef public double window

cdef class Circuit:
    cdef long long _last
    cdef BreakerObserver _observer
    cdef object _rng
    cdef public long long consecutive_failures
    cdef public int forced
    cdef public long long generation
    cdef public dict leases
    cdef public double open_seconds
    cdef public double open_until
    cdef public long long opened
    cdef public set overdue
    cdef public long long reopenings
    cdef public int state
    cdef public long long successes
    cdef public Thresholds thresholds
    cdef public set well_begun
    cdef public Window window
    cpdef long long acquire(self, double now) except? -9
    cpdef bint admits(self, double now) except -1
    cpdef double retry_after(self, double now) except? -9.0
    cpdef answering(self, double now, long long permit)
    @cython.locals(counted=bint)
    cpdef settle(self, double now, long long permit, object outcome, double seconds)
    cpdef wake(self, double now)
    cpdef expire(self, double now)
    cpdef succeeded(self)
    cpdef reopen(self, double now, str why)
    cpdef force(self, str word)
    cpdef adopt(self, Circuit fresh, double now)
    @cython.locals(window=Window, limits=Thresholds)
    cdef _record(self, double now, bint failed, bint slow)
    @cython.locals(limits=Thresholds, doubled=double)
    cdef _open(self, double now, str why)
    cdef _close(self, str why)
    @cython.locals(before=int)
    cdef _move(self, int after, str why)
