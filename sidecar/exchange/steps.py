"""What the driver must do next. Plain integers: a verdict of the hot path allocates nothing."""

ATTEMPT = 1  # start an attempt on `Decision.endpoint`
REJECT = 2  # answer by ourselves, because of `Decision.reason`
DELIVER = 3  # relay the answer that has begun
STOP = 4  # an answer that had begun cannot be completed: cut it
WAIT = 5  # nothing until `Decision.wait_until`, or until woken; then `Decision.resumed`
SUBSTITUTE = 6  # answer by the route's fallback instead of with the answer that has begun, if it has anything to say
