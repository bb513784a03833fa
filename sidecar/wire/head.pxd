cimport cython

from sidecar.wire.authority cimport valid_authority
from sidecar.wire.fieldscan cimport FieldScan, new_scan, scan_fields
from sidecar.wire.framing cimport persists, request_framing, response_framing, response_persists, transfer_fault
from sidecar.wire.message cimport HeadLimits as _Limits
from sidecar.wire.message cimport RequestHead, ResponseHead
from sidecar.wire.runs cimport ByteRun

cdef ByteRun _TOKEN
cdef ByteRun _TARGET
cdef ByteRun _PATH
cdef ByteRun _REASON
cdef bytes _VERSION_11
cdef bytes _VERSION_10
cdef bytes _STATUS_11
cdef bytes _STATUS_10
cdef object _CONTENT_LENGTH
cdef int CLOSE
cdef int KEEP_ALIVE
cdef int UPGRADE

@cython.locals(
    p="const unsigned char *",
    begin=Py_ssize_t,
    limit=Py_ssize_t,
    i=Py_ssize_t,
    target=Py_ssize_t,
    mark=Py_ssize_t,
    end=Py_ssize_t,
    version=bytes,
    head=RequestHead,
    scan=FieldScan,
)
cpdef RequestHead parse_request(bytes data, _Limits limits, Py_ssize_t searched=*)

@cython.locals(
    p="const unsigned char *",
    begin=Py_ssize_t, limit=Py_ssize_t, end=Py_ssize_t, version=bytes, head=ResponseHead, scan=FieldScan
)
cpdef ResponseHead parse_response(bytes data, _Limits limits, bytes request_method, Py_ssize_t searched=*)

@cython.locals(begin=Py_ssize_t)
cdef Py_ssize_t _skip_empty_lines(bytes data) except -2

@cython.locals(since=Py_ssize_t, fresh=bytes)
cdef bint _still_incomplete(bytes data, _Limits limits, Py_ssize_t searched, str code, str too_large) except -1

cdef bytes _as_known(bytes version, Py_ssize_t minor)

cdef void _check_size(bytes data, Py_ssize_t begin, _Limits limits, str code) except *

@cython.locals(target=bytes, p="const unsigned char *")
cdef void _split_target(RequestHead head, Py_ssize_t mark) except *

@cython.locals(host=bytes, fault=str)
cdef void _finish_request(RequestHead head, FieldScan scan) except *

@cython.locals(p="const unsigned char *", status=int, i=Py_ssize_t, start=Py_ssize_t, end=Py_ssize_t)
cdef Py_ssize_t _status_line(ResponseHead head, bytes data, Py_ssize_t limit) except -2

@cython.locals(fault=str, status=int)
cdef void _finish_response(ResponseHead head, FieldScan scan, bytes request_method) except *
