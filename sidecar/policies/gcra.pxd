cimport cython

from sidecar.policies.contract cimport Applicant, Key
from sidecar.policies.key_table cimport KeyTable

cdef double _SLACK

cdef class Limit

cdef class Slot:
    cdef public double before
    cdef public long long evictions
    cdef public str key
    cdef public Limit limit
    cdef public double tat

cdef class Limit:
    cdef str _asked
    cdef double _before
    cdef public object _gaps
    cdef long long _gaps_as_of
    cdef bytes _last_piece
    cdef long long _last_whole
    cdef bytes _piece
    cdef list _pieces
    cdef double _reach
    cdef double _slot
    cdef public double burst
    cdef public double interval
    cdef public Key key
    cdef public double max_wait
    cdef public str name
    cdef public long long quota
    cdef public str rule
    cdef public bint shadow
    cdef public bint skipped
    cdef public double span
    cdef public KeyTable table
    cdef public double tat
    @cython.locals(tat=double, ahead=double)
    cpdef double ask(self, double now, Applicant applicant) except? -9.0
    cpdef take(self, double now)
    cpdef Slot taken(self)
    cpdef give_back(self, double now, Slot slot)
    @cython.locals(tat=double)
    cpdef double remaining(self, double now, str key=*) except? -9.0
    cpdef long long whole(self, double tokens) except? -9
    @cython.locals(tokens=double, whole=cython.longlong, piece=bytes)
    cpdef bytes piece(self, double now, Applicant applicant)
    cpdef bytes policy(self)
    @cython.locals(factor=double, max_keys=cython.longlong)
    cpdef inherit(self, Limit before, double now)
    cdef double _tat_of(self, str key) except? -9.0
    @cython.locals(seconds=double)
    cdef bytes _spell(self, long long whole, double tokens)
    @cython.locals(tat=double)
    cdef _roll_back(self, Slot slot)
    cdef _leave_gap(self, double now, Slot slot)
    cdef _drop_stale_gaps(self)
    @cython.locals(first=Py_ssize_t)
    cdef double _earliest_gap(self, double now, double wait) except? -9.0
    @cython.locals(place=Py_ssize_t)
    cdef bint _fill_gap(self) except -1
