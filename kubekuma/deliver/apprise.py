"""Whatever Apprise knows (https://github.com/caronc/apprise): its library, in a thread."""

from collections.abc import Sequence
from contextlib import closing
from functools import partial
from importlib import import_module
from typing import Final

import trio

from kubekuma.deliver.available import INSTALL
from kubekuma.deliver.look import is_good, links, without_mentions
from kubekuma.deliver.request import Secret
from kubekuma.deliver.send import NotSent, Taken
from kubekuma.model.alert import Message
from kubekuma.model.monitor import AlertSeverity
from kubekuma.model.provider import AppriseConfig

SECONDS: Final = 60.0
# Of the library, apart from everybody else's: each of its services may be slow.
THREADS: Final = 10
_KINDS: Final = {
    AlertSeverity.CRITICAL: "failure",
    AlertSeverity.WARNING: "warning",
    AlertSeverity.INFO: "info",
}


async def send_by_apprise(
    config: AppriseConfig, message: Message, secret: Secret, limiter: trio.CapacityLimiter
) -> Taken:
    """Hand the message to every service that the Secret names. Raises NotSent, SecretMissing."""
    urls = secret(config.urls_secret_ref).splitlines()
    hand_over = partial(_hand_over, urls, message)
    with trio.move_on_after(SECONDS):
        return await trio.to_thread.run_sync(hand_over, limiter=limiter, abandon_on_cancel=True)
    raise NotSent(said=f"Apprise does not end within {SECONDS:.0f} s")


def _hand_over(urls: Sequence[str], message: Message) -> Taken:
    try:
        library = import_module("apprise")
    except ImportError as error:
        raise NotSent(said=f"Apprise is not installed: {INSTALL}") from error
    # One after another in this thread: those of its own would outlive us.
    asset = library.AppriseAsset(
        app_id="KubeKuma", app_desc="KubeKuma", async_mode=False, service_timeout=0
    )
    services = library.Apprise(asset=asset)
    for number, url in enumerate(urls, 1):
        if url.strip() and not services.add(url.strip()):
            raise NotSent(said=f"line {number} of its Secret is no Apprise URL", lasting=True)
    if not len(services):
        raise NotSent(said="its Secret has no Apprise URL", lasting=True)
    text = "\n".join(filter(None, (message.text, links(message, "{name}: {url}"))))
    result = services.notify(
        title=without_mentions(message.title),
        body=without_mentions(text),
        notify_type="success" if is_good(message) else _KINDS[message.severity],
        body_format="text",
    )
    with closing(result):
        return _judged([(each.name, bool(each)) for each in result])


def _judged(services: Sequence[tuple[str, bool]]) -> Taken:
    """Whether all of the services, by name, have taken it."""
    failed = ", ".join(name for name, took in services if not took)
    if not failed:
        return Taken(said=f"taken by {', '.join(name for name, _ in services)}")
    # Sent again, those that took it would have it twice.
    partly = any(took for _, took in services)
    raise NotSent(said=f"not taken by {failed}", lasting=partly)
