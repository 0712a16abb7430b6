"""The Authorization header of requests."""

from base64 import b64encode
from collections.abc import Sequence

from kubekuma.deliver.request import Secret
from kubekuma.model.meta import SecretKeyRef
from kubekuma.model.target import BasicAuth


def authorization(
    secret: Secret, *, basic: BasicAuth | None = None, bearer: SecretKeyRef | None = None
) -> Sequence[tuple[str, str]]:
    """The header for whichever there is; none, if there is neither."""
    if bearer is not None:
        return [("Authorization", f"Bearer {secret(bearer)}")]
    if basic is not None:
        user, password = secret(basic.username_secret_ref), secret(basic.password_secret_ref)
        encoded = b64encode(f"{user}:{password}".encode()).decode()
        return [("Authorization", f"Basic {encoded}")]
    return []
