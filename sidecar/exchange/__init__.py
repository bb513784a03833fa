"""One exchange as a pure machine: what to do next, given what happened. No I/O."""
