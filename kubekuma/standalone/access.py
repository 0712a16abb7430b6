"""Decides whether somebody may do something, by the roles and bindings that are stored."""

from collections.abc import Sequence
from typing import Any, Final

import attrs

from kubekuma.standalone.errors import bad_request
from kubekuma.standalone.feed import Change
from kubekuma.standalone.policy import AUTHENTICATED, MASTERS, RBAC
from kubekuma.standalone.rbac import (
    Action,
    Granted,
    Policies,
    User,
    allows,
    forbidden_action,
    granted,
)
from kubekuma.standalone.resources import Object
from kubekuma.standalone.store import Store

_SERVICE_ACCOUNT: Final = "system:serviceaccount:"
_STORAGES: Final = tuple(
    f"{each}.{RBAC}" for each in ("roles", "rolebindings", "clusterroles", "clusterrolebindings")
)


class Access:
    """Knows what is allowed at the moment: a change counts from its commit on."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._policies: Policies | None = None
        store.subscribe(self._observe)

    def require(self, user: User, action: Action) -> None:
        """Refuse ``action`` unless ``user`` may do it."""
        if MASTERS in user.groups:
            return
        found = self._granted(user, action.namespace)
        if not allows(found.rules, action):
            raise forbidden_action(user, action, found)

    def impersonated(self, user: User, name: str, groups: Sequence[str]) -> User:
        """Have ``user`` act as somebody else, if that is allowed."""
        if not name:
            if groups:
                raise bad_request("groups are impersonated without a user")
            return user
        namespace, account = _service_account(name)
        what = Action(verb="impersonate", resource="users", name=name)
        if account:
            accounts = {"resource": "serviceaccounts", "namespace": namespace, "name": account}
            what = attrs.evolve(what, **accounts)
            groups = groups or ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
        self.require(user, what)
        for each in groups:
            self.require(user, Action(verb="impersonate", resource="groups", name=each))
        return User(name=name, groups=tuple(dict.fromkeys((*groups, AUTHENTICATED))))

    def review(self, user: User, spec: Object) -> Object:
        """Answer the ``spec`` of a SelfSubjectAccessReview with its status."""
        action = _reviewed(spec)
        if MASTERS in user.groups:
            return {"allowed": True}
        found = self._granted(user, action.namespace)
        status: Object = {"allowed": allows(found.rules, action)}
        if not status["allowed"] and found.missing:
            status["reason"] = f"RBAC: {', '.join(found.missing)}"
        return status

    def listed(self, user: User, namespace: str) -> Object:
        """Answer a SelfSubjectRulesReview: all that ``user`` may do in ``namespace``."""
        if not namespace:
            raise bad_request("no namespace on request")
        found = self._granted(user, namespace)
        on_resources = ("verbs", "apiGroups", "resources", "resourceNames")
        return {
            "resourceRules": [
                {name: each[name] for name in on_resources if each.get(name)}
                for each in found.rules
                if each.get("resources")
            ],
            "nonResourceRules": [
                {name: each[name] for name in ("verbs", "nonResourceURLs")}
                for each in found.rules
                if each.get("nonResourceURLs")
            ],
            "incomplete": False,
            **({"evaluationError": ", ".join(found.missing)} if found.missing else {}),
        }

    def _granted(self, user: User, namespace: str) -> Granted:
        if self._policies is None:
            self._policies = self._read()
        return granted(self._policies, user, namespace)

    def _observe(self, storage: str, change: Change) -> None:  # noqa: ARG002 (what a listener is told)
        if storage in _STORAGES:
            self._policies = None

    def _read(self) -> Policies:
        roles, role_bindings, cluster_roles, cluster_role_bindings = (
            [each.value for each in self._store.select(storage)] for storage in _STORAGES
        )
        return Policies(
            roles={(each["metadata"]["namespace"], _name(each)): each for each in roles},
            role_bindings=role_bindings,
            cluster_roles={_name(each): each for each in cluster_roles},
            cluster_role_bindings=cluster_role_bindings,
        )


def _service_account(user: str) -> tuple[str, str]:
    if not user.startswith(_SERVICE_ACCOUNT):
        return "", ""
    namespace, _, name = user.removeprefix(_SERVICE_ACCOUNT).partition(":")
    return namespace, name


def _reviewed(spec: Object) -> Action:
    on_object, on_path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if isinstance(on_object, dict) and on_path is None:
        names = ("verb", "group", "resource", "subresource", "namespace", "name")
        return Action(**{name: _text(on_object, name) for name in names})
    if isinstance(on_path, dict) and on_object is None:
        return Action(verb=_text(on_path, "verb"), path=_text(on_path, "path"))
    raise bad_request(
        "exactly one of nonResourceAttributes or resourceAttributes must be specified"
    )


def _text(value: Object, name: str) -> str:
    return str(value.get(name) or "")


def _name(value: Object) -> Any:
    return value["metadata"]["name"]
