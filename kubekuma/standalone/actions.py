"""What a request wants to do, as roles speak of it, told by its method and path alone.

As kube-apiserver's ``requestinfo.go``: whether anything is served at the path
does not matter yet. Who may not do it does not learn.
"""

from collections.abc import Mapping
from typing import Final

from kubekuma.standalone.rbac import Action

_ON_ONE: Final = {
    "POST": "create",
    "GET": "get",
    "HEAD": "get",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
_ON_MANY: Final = {"get": "list", "delete": "deletecollection"}
_OF_NAMESPACES: Final = frozenset({"status", "finalize"})
_NAMED: Final = "metadata.name="


def action_of(method: str, path: str, query: Mapping[str, str]) -> Action:
    """Tell what a request with ``method`` on ``path`` wants to do."""
    match path.strip("/").split("/"):
        case ["api", _, first, *rest]:
            group = ""
        case ["apis", group, _, first, *rest]:
            pass
        case _:
            return Action(verb=method.lower(), path=path)
    namespace, parts = "", [first, *rest]
    if first == "namespaces" and rest:
        # A namespace lies in itself: roles in it may speak of it.
        namespace = rest[0]
        if len(rest) > 1 and rest[1] not in _OF_NAMESPACES:
            parts = rest[1:]
    resource, name, subresource = [*parts, "", ""][:3]
    verb = _ON_ONE.get(method, "")
    if not name:
        verb = _ON_MANY.get(verb, verb)
        name = _selected_name(query) if verb in {"list", "deletecollection"} else ""
    if verb == "list" and query.get("watch", "false").lower() not in {"false", "0"}:
        verb = "watch"
    return Action(
        verb=verb,
        group=group,
        resource=resource,
        subresource=subresource,
        namespace=namespace,
        name=name,
    )


def _selected_name(query: Mapping[str, str]) -> str:
    # Whoever selects one object by its name needs to be allowed no more than that one.
    for part in query.get("fieldSelector", "").split(","):
        if part.startswith(_NAMED):
            return part.removeprefix(_NAMED).removeprefix("=")
    return ""
