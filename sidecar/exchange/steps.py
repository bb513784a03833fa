"""What the driver must do next. Plain integers: a verdict of the hot path allocates nothing."""

ATTEMPT = 1  # start an attempt on `Decision.endpoint`
REJECT = 2  # answer by ourselves, because of `Decision.reason`
DELIVER = 3  # relay the answer that has begun
STOP = 4  # an answer that had begun cannot be completed: cut it
