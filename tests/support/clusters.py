"""A Kubernetes API for a test: embedded, the real machinery, or a cluster that somebody gave.

A ``Server`` serves many tests. A ``Cluster`` is what one test has of it: a
namespace of its own, and kubectl and HTTP for as many users as it likes.
"""

import csv
import json
import os
import secrets
import signal
import subprocess
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import attrs
import httpx
import trio
from support.embedded import KUBECTL, WIDGETS, Kubectl
from support.real_api import Address, running

from kubekuma.kube.credentials import load_credentials
from kubekuma.model.kinds import KINDS
from kubekuma.model.schema import crd
from kubekuma.standalone.policy import POLICY

Which: TypeAlias = Literal["embedded", "real", "given"]
Object: TypeAlias = dict[str, Any]

GIVEN: Final = "KUBEKUMA_TESTS_KUBECONFIG"
MASTERS: Final = "system:masters"
APPLY: Final = "application/apply-patch+yaml"
MERGE: Final = "application/merge-patch+json"


@attrs.frozen(kw_only=True)
class Server:
    """An API server: entries of a kubeconfig for it, and for one who may do everything there.

    Users are lines in its file of tokens; a given cluster has none, there they
    are impersonated. The real machinery is ``bare``, and may have been given as well.
    """

    which: Which
    cluster: Object
    master: Object
    tokens: Path | None = None
    process_id: int = 0
    bare: bool = False

    @property
    def has_controllers(self) -> bool:
        """Whether what is deleted takes with it what lies in it, and what it owns."""
        return not self.bare

    @property
    def knows_builtins(self) -> bool:
        """Whether Kubernetes' own kinds are validated, defaulted and described."""
        return not self.bare

    def compact(self) -> None:
        """Have the real machinery forget the past, as far as etcd remembers it. Takes a moment."""
        os.kill(self.process_id, signal.SIGUSR1)


@contextmanager
def embedded(folder: Path) -> Iterator[Server]:
    """The embedded API, in a process of its own."""
    tokens = _tokens(folder)
    command: list[str | Path] = [sys.executable, "-m", "support.embedded_process"]
    command += [folder / "data", tokens]
    with running(command, folder, PYTHONPATH=str(Path(__file__).parents[1])) as address:
        yield _started("embedded", address, tokens)


@contextmanager
def real(folder: Path, binary: Path, *options: str) -> Iterator[Server]:
    """The real Kubernetes API machinery."""
    tokens = _tokens(folder)
    with running([binary, "-dir", folder, "-tokens", tokens, *options], folder) as address:
        yield _started("real", address, tokens)


def given(kubeconfig: Path) -> Server:
    """The cluster that ``kubeconfig`` leads to."""
    view = f"{KUBECTL} config view --raw --flatten --minify -o json".split()
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    said = subprocess.run(view, env=environment, capture_output=True, check=True).stdout
    config = json.loads(said)
    # A controller writes them: without any, there are none.
    accounts = f"{KUBECTL} get serviceaccounts -n default -o name".split()
    found = subprocess.run(accounts, env=environment, capture_output=True, check=True).stdout
    return Server(
        which="given",
        cluster=config["clusters"][0]["cluster"],
        master=config["users"][0]["user"],
        bare=not found,
    )


def furnish(server: Server, folder: Path) -> None:
    """Have the kinds there that tests are about, and on the real machinery the first roles.

    Blocks: it is for fixtures of a session.
    """
    objects = [WIDGETS, *(crd(kind) for kind in KINDS)]
    if server.which == "real":
        objects.extend(POLICY)
    kubeconfig = folder / "config"
    kubeconfig.write_text(json.dumps(_config(server, server.master, "default")))
    kubectl = [str(KUBECTL), f"--kubeconfig={kubeconfig}", f"--cache-dir={folder / 'cache'}"]
    manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}).encode()
    for command in (
        ["apply", "--server-side", "--force-conflicts", "-f", "-"],
        ["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"],
    ):
        done = subprocess.run(
            [*kubectl, *command], input=manifest, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()


def _tokens(folder: Path) -> Path:
    path = folder / "tokens.csv"
    path.touch(mode=0o600)
    _add_token(path, "master", (MASTERS,), "masters-token")
    return path


def _add_token(path: Path, user: str, groups: Sequence[str], token: str) -> None:
    # As kube-apiserver's --token-auth-file.
    with path.open("a", newline="") as file:
        csv.writer(file).writerow([token, user, "", *([",".join(groups)] if groups else [])])


def _started(which: Which, address: Address, tokens: Path) -> Server:
    authority = b64encode(address.ca.read_bytes()).decode()
    return Server(
        which=which,
        cluster={"server": address.url, "certificate-authority-data": authority},
        master={"token": "masters-token"},
        tokens=tokens,
        process_id=address.process_id,
        bare=which == "real",
    )


@attrs.frozen(kw_only=True)
class Account:
    """A user: ``kubectl`` and an HTTP client that act in its name; ``kubeconfig`` for others."""

    name: str
    kubeconfig: Path
    kubectl: Kubectl
    client: httpx.AsyncClient

    async def can(self, verb: str, resource: str, namespace: str = "") -> bool:
        """Whether it may do so, as it is told itself. ``resource`` may be ``monitors/status``."""
        said = await self.kubectl.run(
            "auth", "can-i", verb, resource, *(["-n", namespace] if namespace else [])
        )
        return said.out.strip() == "yes"


class Cluster:
    """What one test has of a server. Opened by ``cluster_of``."""

    def __init__(self, server: Server, namespace: str, folder: Path, stack: AsyncExitStack) -> None:
        self.server = server
        self.namespace = namespace
        self._folder = folder
        self._stack = stack

    async def open(self) -> None:
        """Have the namespace, and the one who may do everything."""
        self.master = await self._account("master", self.server.master)
        self.kubectl, self.client = self.master.kubectl, self.master.client
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        await self.apply(space)

    def name(self, stem: str) -> str:
        """A name for what lies in no namespace."""
        return f"{stem}-{self.namespace}"

    async def user(self, name: str = "user", groups: Sequence[str] = ()) -> Account:
        """Let somebody in who may do nothing yet.

        A user who was let in before gets a token more. ``name`` may be
        ``system:serviceaccount:NAMESPACE:NAME``.
        """
        if self.server.tokens is None:
            entry = {**self.server.master, "as": name, "as-groups": [*groups]}
            headers = [("Impersonate-User", name)]
            headers += [("Impersonate-Group", each) for each in groups]
            return await self._account(name, entry, headers)
        token = secrets.token_hex(16)
        _add_token(self.server.tokens, name, groups, token)
        return await self._account(name, {"token": token})

    async def anonymous(self) -> Account:
        """Somebody without a token."""
        return await self._account("anonymous", {})

    async def apply(self, *objects: Mapping[str, Any]) -> None:
        """Apply ``objects`` as the one who may do everything; for those of others see ``user``."""
        for each in objects:
            path = await self.path(each["apiVersion"], each["kind"], each["metadata"]["name"])
            answer = await self.client.patch(
                path,
                params={"fieldManager": "tests", "force": "true"},
                content=json.dumps(each),
                headers={"content-type": APPLY},
            )
            assert answer.is_success, answer.text

    async def grant(
        self, account: Account, *rules: Mapping[str, Sequence[str]], cluster_wide: bool = False
    ) -> None:
        """Allow what ``rules`` say, in the namespace of the test, or everywhere."""
        name = f"{self.namespace}-{secrets.token_hex(3)}"
        prefix = "Cluster" if cluster_wide else ""
        group = "rbac.authorization.k8s.io"
        subject = {"apiGroup": group, "kind": "User", "name": account.name}
        head = {"apiVersion": f"{group}/v1", "metadata": {"name": name}}
        await self.apply(
            {**head, "kind": f"{prefix}Role", "rules": [*rules]},
            {
                **head,
                "kind": f"{prefix}RoleBinding",
                "roleRef": {"apiGroup": group, "kind": f"{prefix}Role", "name": name},
                "subjects": [subject],
            },
        )

    async def path(self, api_version: str, kind: str, name: str = "") -> str:
        """The path of objects of a kind, in the namespace of the test, or of one of them.

        Raises LookupError if there is no such kind.
        """
        root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        answer = await self.client.get(root)
        listed = answer.json()["resources"] if answer.is_success else []
        kinds = [each for each in listed if each["kind"] == kind and "/" not in each["name"]]
        if not kinds:
            raise LookupError(f"no {kind} in {api_version}")
        found = kinds[0]
        inside = f"/namespaces/{self.namespace}" if found["namespaced"] else ""
        return f"{root}{inside}/{found['name']}/{name}".rstrip("/")

    async def _account(
        self, name: str, entry: Object, headers: Sequence[tuple[str, str]] = ()
    ) -> Account:
        home = self._folder / f"{name.replace(':', '-')}-{secrets.token_hex(3)}"
        home.mkdir()
        kubeconfig = home / "config"
        kubeconfig.write_text(json.dumps(_config(self.server, entry, self.namespace)))
        credentials = await load_credentials(kubeconfig)
        client = await self._stack.enter_async_context(
            httpx.AsyncClient(
                base_url=credentials.server,
                auth=credentials,
                verify=credentials.verify,
                headers=[*headers],
                trust_env=False,
                timeout=30,
            )
        )
        kubectl = Kubectl(kubeconfig=kubeconfig, home=home)
        return Account(name=name, kubeconfig=kubeconfig, kubectl=kubectl, client=client)


def _config(server: Server, user: Object, namespace: str) -> Object:
    context = {"cluster": "tests", "user": "tests", "namespace": namespace}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "tests", "cluster": server.cluster}],
        "users": [{"name": "tests", "user": user}],
        "contexts": [{"name": "tests", "context": context}],
        "current-context": "tests",
    }


@asynccontextmanager
async def cluster_of(server: Server, folder: Path) -> AsyncIterator[Cluster]:
    """A namespace of its own for a test, removed in the end if the server outlives the tests."""
    async with AsyncExitStack() as stack:
        cluster = Cluster(server, f"test-{secrets.token_hex(4)}", folder, stack)
        await cluster.open()
        try:
            yield cluster
        finally:
            if server.which == "given":
                with trio.move_on_after(30, shield=True):
                    await cluster.client.delete(f"/api/v1/namespaces/{cluster.namespace}")
