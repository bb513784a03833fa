cimport cython

cdef double _ALONE
cdef double _APART
cdef double _AT_EASE
cdef double _AWAY
cdef double _CHANCE
cdef double _CROWDED
cdef double _DEEP
cdef double _DOUBT
cdef double _DRIFT
cdef double _ERROR
cdef double _ERROR_OF_TRIAL
cdef double _FALLEN
cdef double _FAR
cdef double _FIRST_SECONDS
cdef double _FIRST_STEP
cdef double _FOLLOWED
cdef double _HEARD
cdef double _HELPED
cdef double _JUMP
cdef double _LEAST_COUNT
cdef double _LEAST_SECONDS
cdef double _LEAST_TIME
cdef double _LONG
cdef double _MEMORY
cdef double _MEMORY_OF_TRIAL
cdef double _MOST_ERROR
cdef double _MOST_ERROR_OF_TRIAL
cdef double _MOST_SECONDS
cdef double _NEAR
cdef double _NO_QUEUE
cdef double _QUEUE
cdef double _STALE
cdef double _SURELY
cdef double _TOLERANCE
cdef double _TURNED_AWAY
cdef double _UNSURE
cdef double _USED_UP
cdef double _WINDOWS_APART
cdef double _WINDOWS_IN_DOUBT
cdef int _GATEWAY_TIMEOUT
cdef int _SERVER_ERROR
cdef int _SERVICE_UNAVAILABLE
cdef int _TOO_MANY_REQUESTS

cdef class AdaptiveLimit:
    cdef double _apart
    cdef double _before_n
    cdef double _before_r
    cdef double _burnt
    cdef double _count
    cdef double _drops
    cdef double _due
    cdef double _first_n
    cdef double _first_r
    cdef double _full
    cdef double _high
    cdef double _ill
    cdef double _in_flight
    cdef double _known
    cdef double _lost
    cdef double _low
    cdef double _pace
    cdef double _rate
    cdef double _rest
    cdef double _since
    cdef double _squares
    cdef double _step
    cdef double _sure
    cdef double _total
    cdef double _trial
    cdef public double base
    cdef public long long current
    cdef public double limit
    cpdef bint attempted(self, double now, double seconds, int status, long long in_flight) except -1
    cpdef inherit(self, AdaptiveLimit before)
    cpdef object cells(self)
    @cython.locals(trial=double)
    cpdef load(self, object cells)
    cdef double _within(self, double limit) except? -9.0
    cdef _begin(self, double since)
    @cython.locals(lasted=double, count=double, heard=double, error=double, square=double, spread=double, over=double)
    cdef bint _whole(self, double now) except -1
    @cython.locals(middle=double, beside=double)
    cdef bint _clear(self, double spread, double unit) except -1
    @cython.locals(heard=double, lost=double, n=double, r=double, lasted=double, before=cython.longlong)
    cdef bint _judge(self, double now) except -1
    cdef _learn(self, double r, double memory)
    @cython.locals(heard=double)
    cdef _learn_ill(self, double lost)
    @cython.locals(heard=double)
    cdef _calm(self, double now, double r, double lost, double lasted)
    @cython.locals(heard=double, over=double, more=double, limit=double)
    @cython.locals(lowest=bint, crowded=bint, rested=bint, jumped=bint)
    cdef _used(self, double now, double n, double r, double lost, double lasted)
    cdef double _worked(self, double n, double r, double least) except? -9.0
    cdef _try(self, double n, double r, double lost, double less)
    @cython.locals(helped=bint)
    cdef _tried_drops(self, double now, double r, double lost, double lasted)
    @cython.locals(less=double, queue=double, fewer=double, need=double)
    @cython.locals(near=bint, least=bint, alone=bint, on=bint, doubt=bint)
    cdef _tried(self, double now, double n, double r, double lasted)
    @cython.locals(soon=double)
    cdef _rested(self, double now, double lasted, bint doubt)
    cdef double _longest(self, double lasted) except? -9.0
