cdef class Key:
    cdef public str text
    cpdef str of(self, object head, str client_ip)

cdef class Applicant:
    cdef public double deadline
    cpdef str key(self, Key key)
    cpdef granted(self, double now)

cdef class Admission:
    cdef public bint announces
    cdef public bint measures
    cdef public str name
    cdef public object reason
    cdef public double retry_after
    cdef public str rule
    cdef public bint shadow
    cdef public int status
    cdef public double wait_until
    cpdef long long try_acquire(self, double now, Applicant applicant) except? -9
    cpdef long long resume(self, double now, Applicant applicant) except? -9
    cpdef withdraw(self, double now, Applicant applicant)
    cpdef answering(self, double now, long long permit)
    cpdef settle(self, double now, long long permit, object outcome, double seconds)
    cpdef attempted(self, double now, double seconds, int status)
    cpdef bint available(self, double now) except -1
    cpdef bytes answer_fields(self, double now, Applicant applicant)
