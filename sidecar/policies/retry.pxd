cimport cython

from sidecar.policies.backoff cimport Backoff
from sidecar.policies.retry_budget cimport RetryBudget

cdef class Retry:
    cdef bint _all_methods
    cdef Backoff _backoff
    cdef frozenset _causes
    cdef int _highest
    cdef int _lowest
    cdef frozenset _methods
    cdef bint _respects_hint
    cdef bytes _statuses
    cdef public RetryBudget budget
    cdef public int max_attempts
    cdef public long long max_body_bytes
    cdef public str name
    cdef public bint shadow
    cdef public object spec
    @cython.locals(budget=RetryBudget)
    cpdef deposit(self, double now)
    @cython.locals(statuses="const unsigned char *")
    cpdef bint repeats_status(self, int status) except -1
    cpdef bint repeats(self, str word) except -1
    cpdef bint eligible_method(self, bytes method, bint has_idempotency_key) except -1
    @cython.locals(wait=double, budget=RetryBudget)
    cpdef double delay(self, double now, int attempt, double hint, double deadline, double least) except? -9.0
