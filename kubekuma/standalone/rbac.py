"""Who may do what: roles and their bindings, evaluated. Everything is forbidden that none allows.

The rules are those of kube-apiserver's ``pkg/apis/rbac/v1/evaluation_helpers.go``
and ``pkg/registry/rbac/validation/rule.go``.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import attrs

from kubekuma.standalone.errors import ApiError
from kubekuma.standalone.policy import RBAC

Rule: TypeAlias = Mapping[str, Any]
Object: TypeAlias = Mapping[str, Any]

_SERVICE_ACCOUNT: Final = "system:serviceaccount:"


@attrs.frozen(kw_only=True)
class User:
    """Somebody who asks."""

    name: str
    groups: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Action:
    """What somebody wants to do: with objects, or, if there is no resource, with a path."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def on_what(self) -> str:
        """The resource as rules name it, ``monitors/status``."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


@attrs.frozen(kw_only=True)
class Policies:
    """All roles and bindings: those of namespaces by namespace and name, the others by name."""

    roles: Mapping[tuple[str, str], Object]
    role_bindings: Sequence[Object]
    cluster_roles: Mapping[str, Object]
    cluster_role_bindings: Sequence[Object]


@attrs.frozen(kw_only=True)
class Granted:
    """What somebody may do in a namespace, and which roles of theirs are not there."""

    rules: tuple[Rule, ...]
    missing: tuple[str, ...] = ()


def granted(policies: Policies, user: User, namespace: str) -> Granted:
    """Gather the rules of all roles that are bound to ``user`` for ``namespace``."""
    rules: list[Rule] = []
    missing: list[str] = []
    for binding in _bindings(policies, namespace):
        where = binding["metadata"].get("namespace", "")
        if not any(_is(subject, user, where) for subject in binding.get("subjects") or ()):
            continue
        reference = binding["roleRef"]
        found = _rules_of(policies, reference, where)
        if found is None:
            kind = f"{reference['kind'].lower()}.{RBAC}"
            missing.append(f'{kind} "{reference["name"]}" not found')
        else:
            rules.extend(found)
    return Granted(rules=tuple(rules), missing=tuple(missing))


def allows(rules: Iterable[Rule], action: Action) -> bool:
    """Whether one of ``rules`` allows ``action`` all by itself."""
    return any(_covers(rule, action) for rule in rules)


def forbidden_action(user: User, action: Action, granted: Granted) -> ApiError:
    """Refuse ``action``, in Kubernetes' words."""
    told = f'User "{user.name}" cannot {action.verb} '
    if not action.resource:
        message = f'forbidden: {told}path "{action.path}"'
        return ApiError(403, "Forbidden", message + _because(granted), {})
    where = f'in the namespace "{action.namespace}"' if action.namespace else "at the cluster scope"
    told += f'resource "{action.on_what}" in API group "{action.group}" {where}'
    qualified = f"{action.resource}.{action.group}" if action.group else action.resource
    named = f' "{action.name}"' if action.name else ""
    details = {
        **({"name": action.name} if action.name else {}),
        **({"group": action.group} if action.group else {}),
        "kind": action.resource,
    }
    message = f"{qualified}{named} is forbidden: {told}{_because(granted)}"
    return ApiError(403, "Forbidden", message, details)


def _because(granted: Granted) -> str:
    missing = tuple(dict.fromkeys(granted.missing))
    if not missing:
        return ""
    return f": RBAC: {missing[0]}" if len(missing) == 1 else f": RBAC: [{', '.join(missing)}]"


def _bindings(policies: Policies, namespace: str) -> Iterator[Object]:
    yield from policies.cluster_role_bindings
    if namespace:
        for each in policies.role_bindings:
            if each["metadata"]["namespace"] == namespace:
                yield each


def _is(subject: Object, user: User, namespace: str) -> bool:
    match subject.get("kind"):
        case "User":
            return bool(subject["name"] == user.name)
        case "Group":
            return subject["name"] in user.groups
        case "ServiceAccount":
            inside = subject.get("namespace") or namespace
            return user.name == f"{_SERVICE_ACCOUNT}{inside}:{subject['name']}"
        case _:
            return False


def _rules_of(policies: Policies, reference: Object, namespace: str) -> Sequence[Rule] | None:
    if reference["kind"] == "Role":
        role = policies.roles.get((namespace, reference["name"]))
        return None if role is None else role.get("rules") or ()
    role = policies.cluster_roles.get(reference["name"])
    return None if role is None else tuple(_resolved(policies, role, set()))


def _resolved(policies: Policies, role: Object, seen: set[str]) -> Iterator[Rule]:
    # In a cluster, a controller writes the rules of those that it selects into a role.
    if role.get("aggregationRule") is None:
        yield from role.get("rules") or ()
    elif (name := role["metadata"]["name"]) not in seen:
        seen.add(name)
        for selector in role["aggregationRule"].get("clusterRoleSelectors") or ():
            for each in policies.cluster_roles.values():
                if _selects(selector, each["metadata"].get("labels") or {}):
                    yield from _resolved(policies, each, seen)


def _selects(selector: Object, labels: Mapping[str, str]) -> bool:
    equal = (selector.get("matchLabels") or {}).items()
    expressions = selector.get("matchExpressions") or ()
    return all(labels.get(key) == value for key, value in equal) and all(
        _meets(labels, each) for each in expressions
    )


def _meets(labels: Mapping[str, str], expression: Object) -> bool:
    key, values = expression["key"], expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels


def _covers(rule: Rule, action: Action) -> bool:
    if not _has(rule, "verbs", action.verb):
        return False
    if not action.resource:
        return any(_leads_to(each, action.path) for each in rule.get("nonResourceURLs") or ())
    names = rule.get("resourceNames") or ()
    return (
        _has(rule, "apiGroups", action.group)
        and _covers_resource(rule, action)
        and (not names or action.name in names)
    )


def _covers_resource(rule: Rule, action: Action) -> bool:
    if _has(rule, "resources", action.on_what):
        return True
    return bool(action.subresource) and f"*/{action.subresource}" in rule["resources"]


def _has(rule: Rule, field: str, wanted: str) -> bool:
    given = rule.get(field) or ()
    return wanted in given or "*" in given


def _leads_to(pattern: str, path: str) -> bool:
    return pattern in {"*", path} or (pattern.endswith("*") and path.startswith(pattern[:-1]))
