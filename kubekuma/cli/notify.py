"""``kubekuma notify test``: send one message to a provider now, and show what it answers."""

import argparse
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import attrs
import trio

from kubekuma.cli.environment import Mistake
from kubekuma.cli.given import Secrets, chosen, declare_secrets, given_secrets
from kubekuma.deliver.request import SecretMissing
from kubekuma.deliver.send import NotSent
from kubekuma.deliver.tell import Teller
from kubekuma.deliver.trial import trials
from kubekuma.kit.log import configure_logging
from kubekuma.kube.client import OUR_ROOT, Endpoint, KubeClient
from kubekuma.kube.credentials import NoCredentialsError, load_credentials
from kubekuma.kube.errors import KubeError
from kubekuma.kube.secrets import read_secret
from kubekuma.model.kinds import PROVIDER
from kubekuma.model.meta import Key, SecretKeyRef
from kubekuma.model.provider import Provider
from kubekuma.validate.declared import parts_of
from kubekuma.validate.load import load
from kubekuma.validate.rule import Rejected

SENT: Final = 0
NOT_SENT: Final = 1


@attrs.frozen(kw_only=True)
class Came:
    """What came of it."""

    provider: Provider
    sent: bool
    said: str


def declare(command: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    verbs = command.add_subparsers(dest="verb", required=True, metavar="VERB")
    test = verbs.add_parser("test", help="send one message now, and show what is answered")
    test.epilog = "Exit status: 0 sent, 1 not sent, 2 a bad manifest or no such provider."
    test.add_argument(
        "provider",
        metavar="FILE|NAMESPACE/NAME",
        help="manifest with a NotificationProvider, or one that the cluster has",
    )
    test.add_argument("--name", help="which NotificationProvider, if the file has several")
    declare_secrets(test)
    test.add_argument(
        "--kubeconfig", metavar="FILE", help="KUBECONFIG; ~/.kube/config, or the pod's account"
    )
    test.add_argument("--json", action="store_true", help="print the result as JSON")
    test.set_defaults(run=run)


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Send, and print what came of it."""
    configure_logging("error", sys.stderr)
    given = given_secrets(options)
    if (file := Path(options.provider)).exists():
        provider = chosen(PROVIDER, file, options.name)
        came = trio.run(_try, provider, given)
    else:
        kubeconfig = options.kubeconfig or environ.get("KUBECONFIG")
        came = trio.run(_of_cluster, options.provider, kubeconfig, given)
    print(json.dumps(view(came), indent=2) if options.json else text(came))
    return SENT if came.sent else NOT_SENT


def text(came: Came) -> str:
    """The result for people."""
    spec, how = came.provider.spec, "sent" if came.sent else "not sent"
    return f"{came.provider.meta.key}  {spec.type.value}\n\n{how}: {came.said}"


def view(came: Came) -> Mapping[str, Any]:
    """The result for programs."""
    provider = came.provider
    key, type_ = str(provider.meta.key), provider.spec.type.value
    return {"provider": key, "type": type_, "sent": came.sent, "answer": came.said}


async def _of_cluster(name: str, kubeconfig: str | None, given: Secrets) -> Came:
    namespace, _, rest = name.partition("/")
    if not namespace or not rest or "/" in rest:
        raise Mistake(f"{name}: must be a file, or NAMESPACE/NAME of a NotificationProvider")
    key = Key(namespace, rest)
    try:
        client = KubeClient(await load_credentials(Path(kubeconfig) if kubeconfig else None))
    except NoCredentialsError as error:
        raise Mistake(str(error)) from error
    try:
        document = await client.get(Endpoint(OUR_ROOT, PROVIDER.plural, PROVIDER.namespaced), key)
        provider = load(PROVIDER, document)
        if isinstance(provider, Rejected):
            raise Mistake("\n".join([f"{key} is not valid", *map(str, provider.errors)]))
        return await _try(provider, {**await _secrets(client, provider), **given})
    except KubeError as error:
        raise Mistake(f"NotificationProvider {key}: {error}") from error
    finally:
        await client.aclose()


async def _secrets(client: KubeClient, provider: Provider) -> Secrets:
    refs = [part for _, part in parts_of(provider.spec) if isinstance(part, SecretKeyRef)]
    found: dict[tuple[str, str], bytes] = {}
    for name in {ref.name for ref in refs}:
        values = await read_secret(client, Key(provider.meta.key.namespace, name))
        found |= {(name, key): value for key, value in (values or {}).items()}
    return found


async def _try(provider: Provider, given: Secrets) -> Came:
    def secret(ref: SecretKeyRef) -> str:
        value = given.get((ref.name, ref.key))
        if value is None:
            raise SecretMissing(f"there is no Secret {ref.name} with a key {ref.key}")
        return value.decode("utf-8", "replace").strip()

    now = partial(datetime.now, UTC)
    teller, said = Teller(now), ""
    try:
        for message in trials(provider, f"{provider.meta.uid} {now().isoformat()}", now()):
            said = (await teller.tell(provider.spec, message, secret)).said
    except NotSent as error:
        return Came(provider=provider, sent=False, said=_shown(error.said))
    finally:
        await teller.aclose()
    return Came(provider=provider, sent=True, said=_shown(said))


def _shown(said: str) -> str:
    """What a service said, as a terminal may have it."""
    return " ".join("".join(each if each.isprintable() else " " for each in said).split())
