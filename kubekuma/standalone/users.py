"""Who asks: the owner of the kubeconfig, a user in the file of tokens, or nobody known.

The file is that of kube-apiserver's ``--token-auth-file``: lines of
``token,user,uid,"group,group"``. It is read again when it changes.
"""

import csv
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import structlog

from kubekuma.standalone.errors import unauthorized
from kubekuma.standalone.policy import AUTHENTICATED, MASTERS, UNAUTHENTICATED
from kubekuma.standalone.rbac import User

_LOG: Final = structlog.get_logger()

OWNER: Final = User(name="kubekuma-admin", groups=(MASTERS, AUTHENTICATED))
ANONYMOUS: Final = User(name="system:anonymous", groups=(UNAUTHENTICATED,))

_Signature = tuple[int, int, int]


class Users:
    """Everybody who has a token."""

    def __init__(self, owner_token: str, path: Path | None = None) -> None:
        self._owner = {_digest(owner_token): OWNER}
        self._path = path
        self._seen: _Signature | None = None
        self._users: Mapping[bytes, User] = self._owner

    def authenticate(self, authorization: str) -> User:
        """Tell who has sent the header ``authorization``. Raises ApiError if it is a wrong token.

        Other schemes than bearer tokens count as none.
        """
        scheme, _, token = authorization.strip().partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return ANONYMOUS
        self._refresh()
        given = _digest(token.strip())
        # All are compared: how long it takes says nothing of who they are.
        found = [user for known, user in self._users.items() if hmac.compare_digest(known, given)]
        if not found:
            raise unauthorized()
        return found[0]

    def _refresh(self) -> None:
        if self._path is None:
            return
        try:
            status = self._path.stat()
            signature = (status.st_mtime_ns, status.st_size, status.st_ino)
            if signature == self._seen:
                return
            with self._path.open(newline="", encoding="utf-8") as file:
                listed = dict(_user(row) for row in csv.reader(file) if row)
        except (OSError, ValueError, csv.Error) as error:
            # Nobody loses their access, and nobody gains any, by a file that cannot be read.
            _LOG.warning(
                "the file of tokens cannot be read", path=str(self._path), error=str(error)
            )
            return
        self._seen, self._users = signature, {**listed, **self._owner}


def _user(row: Sequence[str]) -> tuple[bytes, User]:
    if len(row) < 3 or not row[0] or not row[1]:
        raise ValueError("each line must be token,user,uid and, if there are any, groups")
    groups = row[3].split(",") if len(row) > 3 and row[3] else []
    return _digest(row[0]), User(name=row[1], groups=(*groups, AUTHENTICATED))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
