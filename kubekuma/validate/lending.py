"""Which providers a policy may tell: its namespace's, and those that KubeKuma lends. Pure."""

from kubekuma.model.meta import Key
from kubekuma.model.policy import ProviderRef
from kubekuma.model.provider import Provider
from kubekuma.validate.seen import Objects


def provider_key(ref: ProviderRef, namespace: str) -> Key:
    """Which provider ``ref`` names in a resource of ``namespace``."""
    return Key(ref.namespace or namespace, ref.name)


def why_not(
    ref: ProviderRef, namespace: str, providers: Objects[Provider], home: str
) -> str | None:
    """Why a policy of ``namespace`` cannot tell the provider; None: it can.

    ``home`` is KubeKuma's own namespace.
    """
    key = provider_key(ref, namespace)
    if key.namespace not in {namespace, home}:
        return f"must be in the policy's own namespace or in {home}"
    seen = providers.get(key)
    provider = None if seen is None else seen.valid
    if provider is None:
        return f"there is no valid NotificationProvider {key}"
    if key.namespace != namespace and not {namespace, "*"} & {*provider.spec.allowed_namespaces}:
        return f"NotificationProvider {key} does not allow the namespace {namespace}"
    if not provider.spec.enabled:
        return f"NotificationProvider {key} is switched off"
    return None
