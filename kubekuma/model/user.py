"""The LocalUser: an account of KubeKuma's own."""

from datetime import datetime
from enum import StrEnum

import attrs

from kubekuma.model.field import Rule, says
from kubekuma.model.match import NAMESPACE
from kubekuma.model.meta import ObjectMeta, ResourceStatus, SecretKeyRef
from kubekuma.model.settings import Role


class MfaMode(StrEnum):
    """Whether a second factor is asked for."""

    DISABLED = "disabled"
    OPTIONAL = "optional"
    REQUIRED = "required"


@attrs.frozen(kw_only=True)
class Mfa:
    """A second factor: a one-time code (TOTP)."""

    __rules__ = (
        Rule(
            cel="!has(self.mode) || self.mode != 'required' || has(self.totpSecretRef)",
            holds=lambda it: it.mode is not MfaMode.REQUIRED or it.totp_secret_ref is not None,
            message="must be there when mode is required",
            field_path="totpSecretRef",
        ),
    )

    mode: MfaMode = says("Whether it is asked for.", default=MfaMode.OPTIONAL)
    totp_secret_ref: SecretKeyRef | None = says("Where its secret stands, in base32.", default=None)


@attrs.frozen(kw_only=True)
class UserSpec:
    """What an admin says of an account."""

    username: str = says(
        "Name to log in with.",
        min_length=1,
        max_length=64,
        pattern=r"^[A-Za-z0-9][-A-Za-z0-9._@]*$",
    )
    password_hash_secret_ref: SecretKeyRef = says(
        "Where the password's hash stands (argon2id; see kubekuma hash-password)."
    )
    role: Role = says("What the user may do.", default=Role.VIEWER)
    namespaces: tuple[str, ...] = says(
        "In which namespaces; default: all.",
        default=(),
        max_items=64,
        max_length=63,
        pattern=NAMESPACE,
        list_type="set",
    )
    mfa: Mfa = says("A second factor.", default=Mfa())
    disabled: bool = says("Whether the account is locked.", default=False)


@attrs.frozen(kw_only=True)
class User:
    """A valid LocalUser."""

    meta: ObjectMeta
    spec: UserSpec


@attrs.frozen(kw_only=True)
class UserStatus(ResourceStatus):
    """What we say of an account."""

    last_login_at: datetime | None = says("When the user last logged in.", default=None)
    mfa_enabled: bool | None = says("Whether a second factor is set up.", default=None)
