cimport cython

from sidecar.policies.adaptive_concurrency cimport AdaptiveLimit
from sidecar.policies.bulkhead cimport Places
from sidecar.policies.contract cimport Applicant

cdef int CELLS
cdef int _IN_FLIGHT
cdef int _LEARNED
cdef int _QUEUED
cdef int _SET_ASIDE
cdef int _SHOWN
cdef int _TICKET
cdef int _TICKETS

cdef class SharedPlaces(Places):
    cdef list _calls
    cdef public object _piece
    cdef dict _tickets
    cpdef follow(self, Places limits)
    cpdef enter(self)
    @cython.locals(learned=AdaptiveLimit, at=Py_ssize_t)
    cpdef recall(self)
    @cython.locals(learned=AdaptiveLimit, at=Py_ssize_t)
    cpdef learn(self, double now, double seconds, int status)
    cpdef leave(self)
    cpdef report(self, double now)
    cpdef look(self, double now)
    @cython.locals(at=Py_ssize_t, workers=Py_ssize_t)
    cpdef long long taken(self) except? -9
    @cython.locals(at=Py_ssize_t, worker=Py_ssize_t, workers=Py_ssize_t, waiting=double)
    cpdef long long waiting(self) except? -9
    cpdef long long counted(self, int field) except? -9
    cpdef count(self, int field)
    cpdef occupy(self, long long places)
    @cython.locals(ticket=double)
    cpdef join(self, Applicant applicant, double until)
    cpdef leave_queue(self, Applicant applicant)
    @cython.locals(aside=Py_ssize_t, places=cython.longlong, granted=cython.longlong)
    cpdef collect(self)
    @cython.locals(free=cython.longlong, worker=Py_ssize_t)
    cpdef hand_on(self, double now)
    cpdef grant_all(self, double now)
    @cython.locals(place=Py_ssize_t, shown=list)
    cpdef show(self)
    cdef _admit_oldest(self)
    @cython.locals(at=Py_ssize_t, worker=Py_ssize_t, found=Py_ssize_t, oldest=double, ticket=double)
    cdef Py_ssize_t _oldest(self) except? -9
    @cython.locals(workers=Py_ssize_t, first=Py_ssize_t, place=Py_ssize_t)
    cdef _set_aside(self, Py_ssize_t worker)
