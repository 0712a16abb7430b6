"""KubeKuma: an uptime monitor whose configuration is Kubernetes resources.

The packages, in the order in which data flows:

watch       API server -> cache of validated objects
reconcile   cache -> agenda and status
schedule    what is due when
check       is the target as expected?
record      results -> verdicts, incidents, history
serve       REST, metrics, health
standalone  a small Kubernetes API of our own, for people without a cluster
kube        the only package that speaks to the API server
validate    raw document -> resource, or all its errors
model       what everything is made of: frozen classes, and the schemas drawn from them
kit         nothing about KubeKuma: back-off, work queue, logging, server
"""

__version__ = "0.1.0"
