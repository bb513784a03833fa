from sidecar.model.observer cimport RouteObserver
from sidecar.policies.contract cimport Admission
from sidecar.policies.fallback cimport Fallback
from sidecar.policies.retry cimport Retry
from sidecar.runtime.upstream cimport Upstream

cdef class Branch:
    cdef public tuple admissions
    cdef public object key
    cdef public Retry retry
    cdef public Upstream upstream

cdef class Route:
    cdef public tuple admissions
    cdef public Admission announcer
    cdef public object answer
    cdef public tuple attempt_admissions
    cdef public double attempt_timeout
    cdef public Branch branch
    cdef public tuple branches
    cdef public object edits
    cdef public Fallback fallback
    cdef public double idle_timeout
    cdef public object matcher
    cdef public Admission meter
    cdef public str name
    cdef public RouteObserver observer
    cdef public double request_timeout
    cdef public int rule_index
    cdef public object shadow_timeout
    cdef public object split
    cdef public object split_key
    cdef public double total_timeout
