"""Which RDAP server knows which domains: IANA's list, kept for a day."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

KEPT: Final = timedelta(days=1)


class Registries:
    """Servers by the end of a name."""

    def __init__(self) -> None:
        self._servers: Mapping[str, str] = {}
        self._learned_at: datetime | None = None

    def are_known(self, now: datetime) -> bool:
        """Whether the list is there, and not old."""
        return self._learned_at is not None and now - self._learned_at < KEPT

    def learn(self, document: Mapping[str, Any], now: datetime) -> None:
        """Take in IANA's list (RFC 9224): of several servers, the first that speaks TLS."""
        found: dict[str, str] = {}
        services = document.get("services")
        for service in services if isinstance(services, list) else ():
            if not isinstance(service, list) or len(service) != 2:
                continue
            ends, urls = service
            chosen = sorted(map(str, urls), key=lambda url: not url.startswith("https:"))
            for end in ends if chosen else ():
                found[str(end).lower().strip(".")] = chosen[0]
        self._servers, self._learned_at = found, now

    def server_for(self, domain: str) -> str | None:
        """The server that knows ``domain``, by the longest end of it that is listed."""
        labels = domain.split(".")
        for at in range(len(labels)):
            found = self._servers.get(".".join(labels[at:]))
            if found is not None:
                return found
        return None
