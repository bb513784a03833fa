cimport cython

from sidecar.policies.key_table cimport KeyTable

cdef double _FULL
cdef int _EVICTIONS
cdef int _USED

cpdef double refill(double tat, double counted_by, double span, double now) except? -9.0

cdef class SharedTable(KeyTable):
    cdef object _cells
    cdef object _hash
    cdef double _now
    cdef Py_ssize_t _rows
    cdef Py_ssize_t _sets
    cdef double _span
    cdef Py_ssize_t _ways
    cpdef load(self, double now)
    cpdef double tat(self, str key) except? -9.0
    cpdef store(self, str key, double tat, double now)
    @cython.locals(at=Py_ssize_t)
    cpdef amend(self, str key, double tat)
    @cython.locals(other=SharedTable, ways=Py_ssize_t, one=Py_ssize_t, row=Py_ssize_t, at=Py_ssize_t, code=cython.longlong, tat=double)
    cpdef take_over(self, KeyTable before, double now)
    @cython.locals(ways=Py_ssize_t, one=Py_ssize_t, row=Py_ssize_t, tats=list, way=Py_ssize_t, at=Py_ssize_t, tat=double)
    cdef _recount(self, double now)
    @cython.locals(row=Py_ssize_t, codes=list)
    cdef Py_ssize_t _find(self, long long code) except? -9
    cdef Py_ssize_t _row(self, long long code) except? -9
    cdef double _tat_at(self, Py_ssize_t at) except? -9.0
    @cython.locals(at=Py_ssize_t)
    cdef _put(self, long long code, double tat, double now)
    @cython.locals(row=Py_ssize_t, tats=list, fullest=double, at=Py_ssize_t)
    cdef Py_ssize_t _room(self, long long code, double now) except? -9
    @cython.locals(ways=Py_ssize_t)
    cdef _write(self, Py_ssize_t at, double tat)
    cdef long long _code(self, str key) except? -9
