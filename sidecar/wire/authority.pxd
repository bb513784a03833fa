cdef bytes _REG_NAME
cdef bytes _LITERAL

cpdef bint valid_authority(bytes value) except -1
