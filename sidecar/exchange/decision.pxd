cimport cython

from sidecar.exchange.blame cimport is_good, of_break, of_failure, of_silence
from sidecar.exchange.ledger cimport give_back, hold, tell_answering
from sidecar.exchange.standing cimport Standing
from sidecar.policies.contract cimport Admission
from sidecar.policies.fallback cimport Fallback
from sidecar.policies.retry cimport Retry
from sidecar.runtime.endpoint cimport Endpoint
from sidecar.runtime.route cimport Branch, Route
from sidecar.runtime.upstream cimport Upstream

cdef int ADMITTED
cdef int ASKED_TO_WAIT
cdef int ATTEMPT
cdef int DELIVER
cdef double NO_HINT
cdef int REFUSED
cdef int RESPOND
cdef int STOP
cdef int SUBSTITUTE
cdef int WAIT
cdef double _LEAST_SECONDS
cdef double _NO_RETRY
cdef int SWITCHING_PROTOCOLS
cdef object _FAILURE
cdef object _IGNORED
cdef object _SUCCESS

cdef class Decision(Standing):
    @cython.locals(route=Route)
    cpdef int begin(self, double now) except -1
    @cython.locals(machine=Admission, step=int, verdict=cython.longlong)
    cpdef int resumed(self, double now) except -1
    @cython.locals(retry=Retry, wait=double, elsewhere=bint)
    cpdef int failed(self, double now, object cause) except -1
    cpdef int expired(self, double now) except -1
    @cython.locals(endpoint=Endpoint, retry=Retry, wait=double, exhausted=bint, fallback=Fallback)
    cpdef int answered(self, double now, int status, double hint) except -1
    @cython.locals(endpoint=Endpoint, upstream=Upstream)
    cpdef switched(self, double now)
    cpdef replaced(self, double now)
    cpdef completed(self, double now)
    cpdef int broken_off(self, double now, object cause) except -1
    cpdef parted(self, double now, object cause)
    cpdef int overdue(self, double now) except -1
    @cython.locals(waiting=Admission)
    cpdef abandoned(self, double now)
    cpdef ended(self, double now)
    @cython.locals(machine=Admission, admissions=tuple, step=int, retry=Retry, verdict=cython.longlong)
    cdef int _admit(self, double now) except -1
    cdef int _hear(self, double now, Admission machine, long long verdict) except -1
    cdef int _wait_for(self, Admission machine) except -1
    @cython.locals(machine=Admission)
    cdef int _nowhere(self, double now) except -1
    @cython.locals(upstream=Upstream, machine=Admission, endpoint=Endpoint, patience=double)
    cdef bint _goes_elsewhere(self, double now, object cause) except -1
    @cython.locals(branch=Branch, machine=Admission, endpoint=Endpoint, verdict=cython.longlong)
    cdef int _attempt(self, double now, Endpoint same) except -1
    cdef bint _let_go_on(self, Admission machine) except -1
    @cython.locals(retry=Retry, machine=Admission, wait=double)
    cdef double _wait_for_retry(self, double now, str word, double hint) except -9.0
    cdef int _again(self, double now, double wait) except -1
