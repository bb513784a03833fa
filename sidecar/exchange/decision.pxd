cimport cython

from sidecar.exchange.blame cimport is_good, of_break, of_failure, of_silence
from sidecar.exchange.ledger cimport give_back, hold, tell_answering
from sidecar.policies.contract cimport Admission, Applicant, Key
from sidecar.policies.fallback cimport Fallback
from sidecar.policies.retry cimport Retry
from sidecar.runtime.route cimport Branch, Route
from sidecar.runtime.upstream cimport Endpoint, Upstream

cdef int ADMITTED
cdef int ASKED_TO_WAIT
cdef int ATTEMPT
cdef int DELIVER
cdef double NO_HINT
cdef double NO_TIME
cdef int REFUSED
cdef int REJECT
cdef int STOP
cdef int SUBSTITUTE
cdef int WAIT
cdef double _LEAST_SECONDS
cdef double _NEVER
cdef double _NO_RETRY
cdef int SWITCHING_PROTOCOLS
cdef object _FAILURE
cdef object _IGNORED
cdef object _SUCCESS

cdef class Decision(Applicant):
    cdef public Key asked_key
    cdef public int attempt
    cdef public double attempt_deadline
    cdef public double attempt_started
    cdef public Branch branch
    cdef public bint called
    cdef public object driver
    cdef public Endpoint endpoint
    cdef public bint fresh
    cdef public double head_at
    cdef public list held
    cdef public list held_by_attempt
    cdef public bint kept
    cdef public str key_value
    cdef public bytes method
    cdef public bint pending
    cdef public int place
    cdef public double read_at
    cdef public object reason
    cdef public bint retried_stale
    cdef public double retry_after
    cdef public Route route
    cdef public str rule
    cdef public bint sent
    cdef public bint shortened
    cdef public double started
    cdef public int status
    cdef public double total_deadline
    cdef public bint vouched
    cdef public double wait_until
    cdef public Admission waiting
    @cython.locals(route=Route)
    cpdef int begin(self, double now) except -1
    @cython.locals(machine=Admission, step=int, verdict=cython.longlong)
    cpdef int resumed(self, double now) except -1
    @cython.locals(limit=double)
    cpdef request_sent(self, double now)
    @cython.locals(retry=Retry, wait=double)
    cpdef int failed(self, double now, object cause) except -1
    cpdef int expired(self, double now) except -1
    @cython.locals(retry=Retry, wait=double, exhausted=bint, fallback=Fallback)
    cpdef int answered(self, double now, int status, double hint) except -1
    cpdef switched(self, double now)
    cpdef replaced(self, double now)
    cpdef completed(self, double now)
    cpdef int broken_off(self, double now, object cause) except -1
    cpdef int overdue(self, double now) except -1
    @cython.locals(waiting=Admission)
    cpdef abandoned(self, double now)
    cpdef ended(self, double now)
    @cython.locals(retry=Retry)
    cpdef bint repeatable(self) except -1
    @cython.locals(announcer=Admission)
    cpdef bytes answer_fields(self, double now)
    cpdef str key(self, Key key)
    cpdef granted(self, double now)
    @cython.locals(machine=Admission, admissions=tuple, step=int, retry=Retry, verdict=cython.longlong)
    cdef int _admit(self, double now) except -1
    cdef int _hear(self, double now, Admission machine, long long verdict) except -1
    cdef int _refused(self, Admission machine) except -1
    cdef int _reject(self, object reason) except -1
    @cython.locals(branch=Branch, machine=Admission, endpoint=Endpoint, verdict=cython.longlong)
    cdef int _attempt(self, double now, Endpoint same) except -1
    cdef bint _let_go_on(self, Admission machine) except -1
    @cython.locals(retry=Retry, machine=Admission, wait=double)
    cdef double _wait_for_retry(self, double now, str word, double hint) except -9.0
    cdef int _again(self, double now, double wait) except -1
    @cython.locals(route=Route, allowed=double)
    cdef object _of_silence(self, double now, double since)
    @cython.locals(endpoint=Endpoint, upstream=Upstream, ended=double, begun=double)
    cdef _settle(self, double now, object outcome, str word)
