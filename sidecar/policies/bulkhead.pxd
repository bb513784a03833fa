cimport cython

from sidecar.policies.adaptive_concurrency cimport AdaptiveLimit
from sidecar.policies.contract cimport Admission, Applicant

cdef int _PLACE
cdef int REFUSED
cdef int WAIT

cdef class Places:
    cdef public long long admitted_total
    cdef public set granted
    cdef public long long in_flight
    cdef public AdaptiveLimit learned
    cdef public long long max
    cdef public long long max_queue
    cdef public object queue
    cdef public long long queued_total
    cdef public long long refused_total
    cdef public long long spare
    cdef public bint telling
    cdef public object untold
    cpdef hand_on(self, double now)
    cpdef grant_all(self, double now)
    cdef _grant_next(self)
    cpdef tell(self, double now)

cdef class Bulkhead(Admission):
    cdef double _max_wait
    cdef public Places _places
    @cython.locals(places=Places)
    cpdef long long try_acquire(self, double now, Applicant applicant) except? -9
    @cython.locals(places=Places, until=double)
    cdef long long _enqueue(self, double now, Applicant applicant) except? -9
    @cython.locals(until=double)
    cdef double _until(self, double now, Applicant applicant) except? -9.0
    @cython.locals(places=Places, until=double)
    cpdef long long resume(self, double now, Applicant applicant) except? -9
    @cython.locals(places=Places)
    cpdef withdraw(self, double now, Applicant applicant)
    @cython.locals(places=Places)
    cpdef settle(self, double now, long long permit, object outcome, double seconds)
    @cython.locals(places=Places, learned=AdaptiveLimit)
    cpdef attempted(self, double now, double seconds, int status)
