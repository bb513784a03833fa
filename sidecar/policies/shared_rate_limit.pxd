cimport cython

from sidecar.policies.contract cimport Applicant
from sidecar.policies.gcra cimport Limit
from sidecar.policies.rate_limit cimport RateLimits
from sidecar.policies.shared_table cimport refill

cdef int ADMITTED
cdef int _SPAN
cdef int _TAT
cdef int _WAITING

cdef class SharedRateLimits(RateLimits):
    cdef list _cells
    cdef object _piece
    @cython.locals(waiting=Py_ssize_t, verdict=cython.longlong)
    cpdef long long try_acquire(self, double now, Applicant applicant) except? -9
    @cython.locals(verdict=cython.longlong)
    cpdef long long resume(self, double now, Applicant applicant) except? -9
    cpdef withdraw(self, double now, Applicant applicant)
    cpdef bytes answer_fields(self, double now, Applicant applicant)
    @cython.locals(index=Py_ssize_t, limit=Limit)
    cdef _load(self, double now)
    @cython.locals(index=Py_ssize_t, limit=Limit)
    cdef _store(self)
