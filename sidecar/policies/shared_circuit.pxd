cimport cython

from sidecar.model.observer cimport BreakerObserver
from sidecar.policies.circuit cimport Circuit
from sidecar.policies.shared_window cimport SharedWindow
from sidecar.policies.window cimport Window

cdef int AUTO
cdef int CLOSED
cdef int HALF_OPEN
cdef int OPEN
cdef int REFUSED
cdef int _BLOCK
cdef int _BLOCKS
cdef int _BOOKED
cdef object _IGNORED
cdef int _IN_A_ROW
cdef int _LEASE
cdef double _NEVER
cdef int _SECOND
cdef int _SLICES
cdef object _SUCCESS
cdef int _SUCCESSES
cdef int _TROUBLE
cdef int _VERSION

cdef class SharedCircuit(Circuit):
    cdef list _block
    cdef double _calm_until
    cdef public object _cells
    cdef set _given
    cdef BreakerObserver _heard_by
    cdef bint _inside
    cdef long long _known
    cdef public object _leases
    cdef public object _piece
    cdef SharedWindow _ring
    cdef object _told
    cdef double _trouble
    cdef double _version
    cpdef look(self)
    @cython.locals(permit=cython.longlong)
    cpdef long long acquire(self, double now) except? -9
    cpdef bint admits(self, double now) except -1
    cpdef answering(self, double now, long long permit)
    @cython.locals(trouble=bint)
    cpdef settle(self, double now, long long permit, object outcome, double seconds)
    cpdef wake(self, double now)
    cpdef probe(self, double now, bint ok)
    cpdef refresh(self, double now)
    cpdef force(self, str word)
    @cython.locals(other=SharedCircuit)
    cpdef adopt(self, Circuit fresh, double now)
    cdef _count_success(self)
    @cython.locals(window=Window, enough=bint, second=double)
    cdef _calm(self, double now)
    cdef _enter(self)
    cdef _leave(self)
    cdef _put_back(self)
    @cython.locals(version=double, at=Py_ssize_t)
    cdef _read(self)
    @cython.locals(version=double, at=Py_ssize_t)
    cdef _write(self)
    cdef _forget(self)
    @cython.locals(worker=Py_ssize_t, workers=Py_ssize_t, counted=Py_ssize_t, booked=Py_ssize_t, total=double)
    cdef _book(self)
    @cython.locals(rows=list, at=Py_ssize_t, permit=cython.longlong)
    cdef _read_leases(self)
    @cython.locals(rows=list)
    cdef _write_leases(self)
