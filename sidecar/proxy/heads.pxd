cimport cython

from sidecar.proxy.head_edits cimport HeadEdits
from sidecar.wire.forwarding cimport attempt_line
from sidecar.wire.framing cimport downstream_framing
from sidecar.wire.message cimport RequestHead, ResponseHead
from sidecar.wire.writer cimport request_head, response_head

cdef int NO_BODY
cdef object _DATE

@cython.locals(lines=bytes)
cpdef bytes attempt_head(
    RequestHead head, bytes fields, int attempt, bytes deadline, HeadEdits edits=*, bytes authority=*
)
cpdef int answer_framing(ResponseHead answer, RequestHead request) except -1
cpdef bytes answer_head(
    ResponseHead answer, RequestHead request, int framing, bint close, bytes extra=*, HeadEdits edits=*, bint secure=*
)
cpdef bytes informational_head(ResponseHead answer)
