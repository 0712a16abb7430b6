"""What this installation cannot send to. Pure."""

from functools import cache
from importlib.util import find_spec
from typing import Final

from kubekuma.model.provider import ProviderSpec, ProviderType

INSTALL: Final = 'pip install "kubekuma[apprise]"'


def missing(spec: ProviderSpec) -> str | None:
    """What is lacking to send to such a provider; None if nothing is."""
    if spec.type is ProviderType.APPRISE and not _is_installed("apprise"):
        return f"type apprise without apprise: {INSTALL}"
    return None


@cache
def _is_installed(module: str) -> bool:
    return find_spec(module) is not None
