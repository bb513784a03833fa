cimport cython

from sidecar.policies.contract cimport Admission, Applicant

cdef int ADMITTED
cdef int REFUSED
cdef int WAIT

cdef class Fault(Admission):
    cdef double _abort_ratio
    cdef public long long _aborted_total
    cdef double _delay
    cdef double _delay_ratio
    cdef public long long _delayed_total
    cdef public object _rng
    @cython.locals(until=double)
    cpdef long long try_acquire(self, double now, Applicant applicant) except? -9
    cpdef long long resume(self, double now, Applicant applicant) except? -9
    cdef long long _abort(self) except? -9
