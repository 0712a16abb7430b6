"""Plans for accounts and keys. They fail closed: what is not valid now gives no rights. Pure."""

from datetime import UTC, datetime
from typing import Final

from kubekuma.model.api_key import ApiKey
from kubekuma.model.meta import Key, ObjectMeta, Truth
from kubekuma.model.user import MfaMode, User, UserStatus
from kubekuma.reconcile.outcome import NOT_ATTEMPTED, Outcome, Said, refused
from kubekuma.reconcile.world import World
from kubekuma.validate.seen import all_in_force, in_force

NOT_ASKED: Final = Said(Truth.FALSE, "NotImplemented", "this version has no login yet")


def plan_user(user: User, world: World, _: datetime) -> Outcome:
    """Plan for an account: it counts in KubeKuma's own namespace alone, and names are unique."""
    spec = user.spec
    mfa = spec.mfa.mode is not MfaMode.DISABLED and spec.mfa.totp_secret_ref is not None
    forbidden = _elsewhere(user.meta, world) or _taken(user, world)
    return Outcome(
        reconciled=NOT_ATTEMPTED if forbidden else NOT_ASKED,
        forbidden=forbidden,
        status=UserStatus(mfa_enabled=mfa),
    )


def plan_key(key: ApiKey, world: World, now: datetime) -> Outcome:
    """Plan for a key: it never has more rights than its owner, so it needs one."""
    owner = Key(key.meta.key.namespace, key.spec.owner_ref.name)
    reconciled, again = NOT_ASKED, None
    if in_force(world.users, owner) is None:
        said = f"spec.ownerRef: there is no valid LocalUser {owner.name}"
        reconciled = refused("OwnerMissing", said)
    if key.spec.expires_at is not None:
        left = (key.spec.expires_at - now).total_seconds()
        if left <= 0:
            reconciled = refused("Expired", "spec.expiresAt has passed")
        else:
            again = min(left + 1.0, 86_400.0)
    forbidden = _elsewhere(key.meta, world)
    return Outcome(
        reconciled=NOT_ATTEMPTED if forbidden else reconciled,
        forbidden=forbidden,
        again_seconds=again,
    )


def _elsewhere(meta: ObjectMeta, world: World) -> Said | None:
    if meta.key.namespace == world.home:
        return None
    return refused("ForbiddenNamespace", f"metadata.namespace: must be {world.home}")


def _taken(user: User, world: World) -> Said | None:
    rivals = (
        it
        for it in all_in_force(world.users)
        if it.spec.username == user.spec.username and it.meta.key.namespace == world.home
    )
    first = min(rivals, key=_age, default=user)
    if first.meta.key == user.meta.key:
        return None
    return refused("UsernameTaken", f"spec.username: is that of LocalUser {first.meta.key.name}")


def _age(user: User) -> tuple[datetime, Key]:
    return user.meta.created_at or datetime.min.replace(tzinfo=UTC), user.meta.key
