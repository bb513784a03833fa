cimport cython

from sidecar.model.observer cimport RouteObserver
from sidecar.policies.contract cimport Admission, Applicant
from sidecar.policies.gcra cimport Limit, Slot

cdef int ADMITTED
cdef int REFUSED
cdef int WAIT

cdef class _Waiting:
    cdef public list slots
    cdef public double until

cdef class RateLimits(Admission):
    cdef bytes _lead
    cdef public tuple _limits
    cdef RouteObserver _observer
    cdef Limit _only
    cdef public tuple _specs
    cdef dict _waiting
    @cython.locals(limit=Limit, longest=double, wait=double, skipped=bint)
    cpdef long long try_acquire(self, double now, Applicant applicant) except? -9
    @cython.locals(waiting=_Waiting)
    cpdef long long resume(self, double now, Applicant applicant) except? -9
    @cython.locals(waiting=_Waiting, slot=Slot)
    cpdef withdraw(self, double now, Applicant applicant)
    @cython.locals(limit=Limit, only=Limit, pieces=list)
    cpdef bytes answer_fields(self, double now, Applicant applicant)
    cdef long long _refuse(self, Limit limit, double wait, bint skipped) except? -9
    @cython.locals(limit=Limit, slots=list)
    cdef long long _go_on(self, double now, double until, Applicant applicant) except? -9
    @cython.locals(limit=Limit)
    cdef long long _wait(self, double until, Applicant applicant) except? -9
    @cython.locals(limit=Limit)
    cdef _tell(self)
