cimport cython

from sidecar.policies.circuit_breaker cimport CircuitBreaker
from sidecar.policies.contract cimport Applicant
from sidecar.policies.shared_circuit cimport SharedCircuit

cdef int AUTO

cdef class SharedCircuitBreaker(CircuitBreaker):
    cdef public SharedCircuit _shared
    cpdef long long try_acquire(self, double now, Applicant applicant) except? -9
    cpdef answering(self, double now, long long permit)
    cpdef bint available(self, double now) except -1
    cpdef probe(self, double now, bint ok)
    cdef _look(self)
