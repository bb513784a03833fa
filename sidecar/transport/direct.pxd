cimport cython

cdef extern from "sys/socket.h":
    ssize_t _send "send"(int, const void *, size_t, int)

cdef int _FLAGS

cpdef int descriptor(object transport) except -2
cpdef int plain_socket(object transport) except -2
cpdef Py_ssize_t write_now(int number, object data) except -2

@cython.locals(pointer="const char *")
cpdef Py_ssize_t send_now(int number, bytes data) except -2
