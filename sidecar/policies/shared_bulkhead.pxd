cimport cython

from sidecar.policies.bulkhead cimport Bulkhead, Places
from sidecar.policies.contract cimport Applicant
from sidecar.policies.shared_places cimport SharedPlaces

cdef int REFUSED
cdef int TIMES_ADMITTED
cdef int TIMES_QUEUED
cdef int TIMES_REFUSED
cdef int WAIT
cdef int _PLACE

cdef class SharedBulkhead(Bulkhead):
    cdef bint _follows
    cdef Places _limits
    cdef SharedPlaces _shared
    @cython.locals(places=SharedPlaces, verdict=cython.longlong)
    cpdef long long try_acquire(self, double now, Applicant applicant) except? -9
    @cython.locals(places=SharedPlaces, verdict=cython.longlong)
    cpdef long long resume(self, double now, Applicant applicant) except? -9
    @cython.locals(places=SharedPlaces)
    cpdef withdraw(self, double now, Applicant applicant)
    @cython.locals(places=SharedPlaces)
    cpdef settle(self, double now, long long permit, object outcome, double seconds)
    @cython.locals(places=SharedPlaces)
    cpdef attempted(self, double now, double seconds, int status)
    cdef _follow(self)
    @cython.locals(places=SharedPlaces, waiting=cython.longlong, until=double)
    cdef long long _ask(self, double now, Applicant applicant) except? -9
    @cython.locals(places=SharedPlaces, until=double)
    cdef long long _ask_again(self, double now, Applicant applicant) except? -9
