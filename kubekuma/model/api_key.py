"""The ApiKey: a token with which a program acts for a LocalUser."""

from datetime import datetime
from enum import StrEnum

import attrs

from kubekuma.model.field import says
from kubekuma.model.meta import ObjectMeta, ResourceStatus, SecretKeyRef


class OwnerKind(StrEnum):
    """What can own a key."""

    LOCAL_USER = "LocalUser"


class Scope(StrEnum):
    """What a key may do at most."""

    MONITORS_READ = "monitors:read"
    MONITORS_WRITE = "monitors:write"
    INCIDENTS_READ = "incidents:read"
    INCIDENTS_WRITE = "incidents:write"
    PAGES_READ = "pages:read"
    PAGES_WRITE = "pages:write"
    NOTIFICATIONS_READ = "notifications:read"
    NOTIFICATIONS_WRITE = "notifications:write"
    MAINTENANCE_READ = "maintenance:read"
    MAINTENANCE_WRITE = "maintenance:write"
    PUSH_WRITE = "push:write"
    METRICS_READ = "metrics:read"


@attrs.frozen(kw_only=True)
class OwnerRef:
    """Whose key it is."""

    kind: OwnerKind = says("Kind of the owner.", default=OwnerKind.LOCAL_USER)
    name: str = says("Name of the LocalUser.", min_length=1)


@attrs.frozen(kw_only=True)
class ApiKeySpec:
    """What a key is good for."""

    owner_ref: OwnerRef = says("Whose rights it has at most.")
    key_hash_secret_ref: SecretKeyRef = says(
        "Where the key's SHA-256 stands (see kubekuma new-key)."
    )
    scopes: tuple[Scope, ...] = says("What it may do.", min_items=1, max_items=32, list_type="set")
    disabled: bool = says("Whether it is refused.", default=False)
    expires_at: datetime | None = says("When it ends; absent: never.", default=None)


@attrs.frozen(kw_only=True)
class ApiKey:
    """A valid ApiKey."""

    meta: ObjectMeta
    spec: ApiKeySpec


@attrs.frozen(kw_only=True)
class ApiKeyStatus(ResourceStatus):
    """What we say of a key."""

    last_used_at: datetime | None = says("When it was last used.", default=None)
