cimport cython

from sidecar.exchange.blame cimport of_silence
from sidecar.exchange.ledger cimport give_back
from sidecar.policies.contract cimport Admission, Applicant, Key
from sidecar.policies.retry cimport Retry
from sidecar.runtime.endpoint cimport Endpoint
from sidecar.runtime.route cimport Branch, Route
from sidecar.runtime.upstream cimport Upstream

cdef double NO_TIME
cdef int REJECT
cdef double _NEVER

cdef class Standing(Applicant):
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
    cdef public list journal
    cdef public bint kept
    cdef public str key_value
    cdef public double lent_at
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
    cdef public bytes span_id
    cdef public double started
    cdef public int status
    cdef public double total_deadline
    cdef public bint vouched
    cdef public double wait_until
    cdef public Admission waiting
    @cython.locals(limit=double)
    cpdef request_sent(self, double now)
    cpdef lent(self, double since)
    @cython.locals(retry=Retry)
    cpdef bint repeatable(self) except -1
    @cython.locals(announcer=Admission)
    cpdef bytes answer_fields(self, double now)
    cpdef str key(self, Key key)
    cpdef granted(self, double now)
    cdef int _refused(self, Admission machine) except -1
    cdef int _reject(self, object reason) except -1
    @cython.locals(route=Route, allowed=double)
    cdef object _of_silence(self, double now, double since)
    @cython.locals(meter=Admission, begun=double)
    cdef _measure(self, double now, int status)
    @cython.locals(endpoint=Endpoint, upstream=Upstream, ended=double, begun=double)
    cdef _settle(self, double now, object outcome, str word)
    cdef object _entry(self, double now, Endpoint endpoint, str word)
