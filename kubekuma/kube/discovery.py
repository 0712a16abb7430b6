"""Where the kinds of a cluster are served."""

from kubekuma.kube.client import Endpoint, KubeClient
from kubekuma.kube.errors import Refused


async def find_endpoint(client: KubeClient, api_version: str, kind: str) -> Endpoint | None:
    """Where ``kind`` is served; None: nowhere. Raises Refused or Unreachable."""
    root = f"apis/{api_version}" if "/" in api_version else f"api/{api_version}"
    try:
        found = await client.resources(root)
    except Refused as error:
        if error.code == 404:
            return None
        raise
    for each in found.get("resources") or ():
        name = str(each.get("name", ""))
        # "deployments/scale" is a part of an object, and may be of another kind.
        if each.get("kind") == kind and "/" not in name:
            return Endpoint(root, name, bool(each.get("namespaced")))
    return None
