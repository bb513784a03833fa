cimport cython

cdef extern from "sys/socket.h":
    int _setsockopt "setsockopt"(int, int, int, const void *, unsigned int)

@cython.locals(number=int, level=int, option=int, packed=bytes, pointer="const char *")
cpdef keep_alive(object transport)
