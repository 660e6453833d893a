"""A real cluster, when there is one: find it, apply the manifests, see what becomes of them.

shop = connect()                                  # a Cluster; or None, after a line on how to get one
shop.apply("../kubernetes/overlays/laptop")       # what became of each object
shop.wait()                                       # until all is rolled out, or the reasons why not
shop.remove()

finding, kind, kubeconfig   which cluster
api, answers, watching      how to talk to it
applying, ownership         manifests
rollout, explaining         how far they are, and why not further:
  situation, cases            what an explanation is made from
  pods, pulling, crashing, probing, scheduling, refusals
                              one table of causes each
changes, removal            what one does with it afterwards
"""

from workshop.cluster.applying import NotApplied
from workshop.cluster.errors import ClusterError, NotThere, Refused, ServerGone
from workshop.cluster.rollout import NotRolledOut
from workshop.cluster.session import Cluster, connect

__all__ = [
    "Cluster",
    "ClusterError",
    "NotApplied",
    "NotRolledOut",
    "NotThere",
    "Refused",
    "ServerGone",
    "connect",
]
