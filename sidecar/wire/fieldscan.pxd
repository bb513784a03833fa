cimport cython

from sidecar.wire.framing cimport coding_of
from sidecar.wire.message cimport RequestHead
from sidecar.wire.runs cimport ByteRun

cdef bint COMPILED
cdef ByteRun _TOKEN
cdef ByteRun _VALUE
cdef bytes _SLOTS
cdef bytes _NEXT
cdef tuple _NAMES
cdef bytes _CUT_REQUEST
cdef bytes _CUT_RESPONSE
cdef Py_ssize_t _SLOT_LENGTH
cdef Py_ssize_t _SLOT_FIRST
cdef Py_ssize_t _SLOT_LAST
cdef int CODING_ABSENT
cdef int CODING_OTHER
cdef int CLOSE
cdef int KEEP_ALIVE

cdef int _HOST
cdef int _CONTENT_LENGTH
cdef int _TRANSFER_ENCODING
cdef int _CONNECTION
cdef int _TE
cdef int _UPGRADE
cdef int _FORWARDED_FOR
cdef int _FORWARDED_HOST
cdef int _FORWARDED_PROTO
cdef int _FORWARDED
cdef int _VIA
cdef int _REQUEST_ID
cdef int _TIMEOUT_MS
cdef int _TRACEPARENT
cdef int _CONTENT_TYPE
cdef int _IDEMPOTENCY_KEY
cdef int _EXPECT
cdef int _DATE
cdef int _TRACESTATE
cdef int _OTHER
cdef int _SAME
cdef int _TWIN

@cython.final
@cython.no_gc
@cython.freelist(16)
cdef class FieldScan:
    cdef public RequestHead head
    cdef public str code
    cdef public str too_large
    cdef public Py_ssize_t max_fields
    cdef public bytes cut
    cdef public long long content_length
    cdef public int coding
    cdef public bint dated
    cdef public int flags
    cdef public Py_ssize_t start
    cdef public bytes host
    cdef public bytes upgrade
    cdef public set named
    cdef public list parts
    @cython.locals(p="const unsigned char *")
    cpdef bytes block(self, bytes data, Py_ssize_t end)

@cython.locals(scan=FieldScan)
cpdef FieldScan new_scan(RequestHead head, str code, str too_large, Py_ssize_t max_fields)

@cython.locals(
    p="const unsigned char *",
    slots="const unsigned char *",
    following="const unsigned char *",
    identifier=int,
    i=Py_ssize_t,
    begin=Py_ssize_t,
    colon=Py_ssize_t,
    lines=Py_ssize_t,
    slot=Py_ssize_t,
    same=int,
)
cpdef Py_ssize_t scan_fields(FieldScan scan, bytes data, Py_ssize_t start, Py_ssize_t limit) except -2

cdef Py_ssize_t _value_stop(FieldScan scan, bytes data, Py_ssize_t at, Py_ssize_t limit) except -2

cdef bint _has_twins(FieldScan scan, int identifier) except -1

@cython.locals(p="const unsigned char *", q="const unsigned char *", k=Py_ssize_t, same=int)
cdef int _same_name(bytes data, Py_ssize_t begin, Py_ssize_t colon, bytes name, bint loose) except -1

@cython.locals(p="const unsigned char *", last=Py_ssize_t, repeated=bint, value=bytes)
cdef void _known_field(
    FieldScan scan, int identifier, bytes data, Py_ssize_t begin, Py_ssize_t first, Py_ssize_t end
) except *

@cython.locals(p="const unsigned char *")
cdef void _cut_line(FieldScan scan, bytes data, Py_ssize_t begin, Py_ssize_t end) except *

@cython.locals(p="const unsigned char *")
cdef bint _is_padded(bytes data, Py_ssize_t first, Py_ssize_t last, Py_ssize_t end) except -1

cdef void _replace_line(FieldScan scan, bytes data, Py_ssize_t begin, Py_ssize_t end, bytes line) except *

@cython.locals(p="const unsigned char *", length="long long", digits=Py_ssize_t, k=Py_ssize_t)
cdef void _note_length(FieldScan scan, bytes value) except *

@cython.locals(flags=int)
cdef void _note_connection(FieldScan scan, bytes value) except *

cdef void _pick(RequestHead head, int identifier, bytes value) except *

cdef bytes _joined(bytes before, bytes value)
