cimport cython

from sidecar.policies.circuit cimport Circuit, Thresholds
from sidecar.policies.contract cimport Admission, Applicant

cdef int AUTO
cdef int CLOSED
cdef int HALF_OPEN
cdef int OPEN
cdef int REFUSED

cdef class CircuitBreaker(Admission):
    cdef public Circuit _circuit
    cdef bint _shadows
    cdef public str label
    @cython.locals(circuit=Circuit, permit=cython.longlong)
    cpdef long long try_acquire(self, double now, Applicant applicant) except? -9
    cpdef long long resume(self, double now, Applicant applicant) except? -9
    @cython.locals(circuit=Circuit)
    cpdef answering(self, double now, long long permit)
    cpdef settle(self, double now, long long permit, object outcome, double seconds)
    @cython.locals(circuit=Circuit)
    cpdef bint available(self, double now) except -1
    @cython.locals(circuit=Circuit)
    cpdef probe(self, double now, bint ok)
    cpdef force(self, double now, str word)
