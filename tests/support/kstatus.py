"""What Flux, Helm and others make of an object: the rules that kstatus documents.

https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md, "Conditions" and
"The Ready condition": what is said of any kind that kstatus does not know.
"""

from collections.abc import Mapping
from typing import Any


def kstatus(it: Mapping[str, Any]) -> str:
    """Current, InProgress, Failed or Terminating."""
    if "deletionTimestamp" in it["metadata"]:
        return "Terminating"
    status = it.get("status", {})
    observed = status.get("observedGeneration")
    if observed is not None and observed != it["metadata"].get("generation"):
        return "InProgress"
    said = {each["type"]: each["status"] for each in status.get("conditions", ())}
    if said.get("Stalled") == "True":
        return "Failed"
    if said.get("Reconciling") == "True" or said.get("Ready", "True") != "True":
        return "InProgress"
    return "Current"
