cimport cython

cdef long long FULL

cdef class Strategy:
    cpdef pick(self, object candidates, str key, object rng)

cdef class RoundRobin(Strategy):
    cdef dict _credits
    @cython.locals(
        best_credit=cython.longlong,
        credit=cython.longlong,
        credits_left=dict,
        share=cython.longlong,
        total=cython.longlong,
    )
    cpdef pick(self, object candidates, str key, object rng)

cdef class RandomChoice(Strategy):
    cpdef pick(self, object candidates, str key, object rng)

cdef class LeastRequests(Strategy):
    @cython.locals(
        chance=double,
        count=Py_ssize_t,
        first=Py_ssize_t,
        load=cython.longlong,
        next_chance=double,
        rival=cython.longlong,
        rival_share=cython.longlong,
        second=Py_ssize_t,
        share=cython.longlong,
    )
    cpdef pick(self, object candidates, str key, object rng)

cdef class Hash(Strategy):
    @cython.locals(best_score=double, score=double, seed=bytes)
    cpdef pick(self, object candidates, str key, object rng)

cdef double _score(bytes seed, object candidate) except? -9.0

cdef _warming(object one, object other, object rng)

@cython.locals(index=Py_ssize_t, point=double, total=cython.longlong)
cdef Py_ssize_t _draw(object candidates, object rng) except -1
