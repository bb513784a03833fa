cimport cython

from sidecar.runtime.matching cimport Matcher, matching_host
from sidecar.runtime.paths cimport climbs, matching_path, unresolved
from sidecar.runtime.route cimport Route

cdef int _NO_LIMIT
cdef int _CLIMBS
cdef int _NO_CLIMB

cdef class Candidate:
    cdef readonly bint bare
    cdef readonly int index
    cdef readonly Route route
    cdef object _methods
    cdef tuple _headers
    cpdef bint holds(self, object head) except -1

cdef class Choice:
    cdef list _candidates
    cdef list _tables
    cdef readonly int lowest
    @cython.locals(found=Candidate, better=Candidate, table=dict, listed=list)
    cpdef Candidate first(self, object head, int limit)

# Nodes hold each other as deep as a rule's path goes.
@cython.trashcan(True)
cdef class Node:
    cdef public Choice below
    cdef public dict children
    cdef readonly int lowest
    cdef public Node variable
    cdef public Choice whole

cdef class Site:
    cdef readonly dict exact
    cdef readonly int lowest
    cdef readonly Node root
    @cython.locals(node=Node, depth=Py_ssize_t, count=Py_ssize_t, postponed=list)
    cpdef Candidate first(self, object head, bytes path, list pieces, Candidate found)

cdef class Index:
    cdef Site _any_host
    cdef dict _below
    cdef Py_ssize_t _deepest
    cdef dict _hosts
    cdef Py_ssize_t _longest_below
    @cython.locals(pieces=list, found=Candidate, site=Site, end=Py_ssize_t, start=Py_ssize_t)
    cpdef Route first(self, object head, bytes path, bytes host)
    @cython.locals(inner=bytes)
    cdef list _pieces(self, bytes path)

cdef class Router:
    cdef Route _always
    cdef Index _index
    cdef bint _needs_host
    cdef bint _needs_path
    cdef public tuple routes
    @cython.locals(asked=bytes, path=bytes, host=bytes, route=Route)
    cpdef Route match(self, object head)
    cpdef bint is_ambiguous(self, object head) except -1
    @cython.locals(climbing=int)
    cdef bint _is_two_faced(self, object head, bytes asked, bytes host, Route route) except -1
    @cython.locals(route=Route, matcher=Matcher)
    cdef Route _taking(self, object head, bytes path, bytes host)

@cython.locals(better=Candidate)
cdef Candidate _better(Choice choice, object head, Candidate found)

@cython.locals(candidate=Candidate)
cdef Candidate _first(list candidates, object head, int limit)
