"""Pure machines, one file a policy: a Spec (frozen, validates itself), a state, verdicts that take `now`."""
