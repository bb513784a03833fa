cimport cython

from sidecar.policies.contract cimport Admission

cpdef list hold(list held, Admission machine, long long permit)

@cython.locals(place=Py_ssize_t, permit=cython.longlong, machine=Admission)
cpdef tell_answering(list held, double now)

@cython.locals(permit=cython.longlong, machine=Admission)
cpdef give_back(list held, double now, object outcome, double seconds)
