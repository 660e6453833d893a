"""What can go wrong with a cluster, as errors whose message is all that a learner needs.

ClusterError
  ServerGone            the cluster's API server does not answer
  Refused               it answered, and said no
  NotThere              there is nothing with that name
  NotApplied            some of the objects were refused
  NotRolledOut          a Deployment does not come up
  NotRemoved            the namespace is not ours, or does not go
"""

from workshop.errors import PlainError


class ClusterError(PlainError):
    """Something did not work on the cluster; the message says what, why, and what to do next."""


class ServerGone(ClusterError):
    """The cluster's API server does not answer."""


class Refused(ClusterError):
    """The cluster's API server answered, and said no."""


class NotThere(ClusterError):
    """The cluster has nothing with that name."""
