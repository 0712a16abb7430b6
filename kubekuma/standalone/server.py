"""The embedded API as a service: storage, certificates, server and manifests, joined."""

import errno
import ipaddress
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import attrs
import structlog
import trio
from hypercorn.typing import Framework

from kubekuma.kit.server import serve_app
from kubekuma.standalone.access import Access
from kubekuma.standalone.api import Api, Options
from kubekuma.standalone.catalog import Catalog
from kubekuma.standalone.collector import collect_garbage
from kubekuma.standalone.credentials import (
    Credentials,
    keep_credentials,
    server_context,
    write_kubeconfig,
)
from kubekuma.standalone.database import open_database
from kubekuma.standalone.deletion import finish_deletions
from kubekuma.standalone.documents import ManifestProblem
from kubekuma.standalone.feed import Key
from kubekuma.standalone.http import HttpApi
from kubekuma.standalone.manifests import Report, follow_manifests
from kubekuma.standalone.policy import POLICY
from kubekuma.standalone.routes import Routes
from kubekuma.standalone.store import WINDOW, Store
from kubekuma.standalone.users import Users

_LOG: Final = structlog.get_logger()
_NAMESPACES: Final = ("default", "kube-system")
_OPTIONS: Final = Options(field_manager="kubekuma-standalone", force=True)
_RENEWAL_SECONDS: Final = 24 * 60 * 60.0


@attrs.frozen(kw_only=True)
class Endpoint:
    """Where the API is, and what a client needs to be let in."""

    url: str
    token: str = attrs.field(repr=False)
    ca_pem: bytes = attrs.field(repr=False)
    kubeconfig: Path


def log_problem(problem: ManifestProblem) -> None:
    """Log what is wrong with a manifest."""
    where = {"path": str(problem.path), "line": problem.line}
    _LOG.warning("a manifest was not applied", **where, error=problem.message)


async def serve_embedded_api(
    data: Path,
    crds: Sequence[Mapping[str, Any]],
    *,
    listen: str = "127.0.0.1:0",
    stop: trio.Event,
    namespaces: Sequence[str] = (),
    manifests: Path | None = None,
    report: Report = log_problem,
    tokens: Path | None = None,
    window: int = WINDOW,
    task_status: trio.TaskStatus[Endpoint] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve a Kubernetes API that keeps everything in ``data``, until ``stop``.

    Reports where it is once ``crds`` are established, the files in the folder
    ``manifests`` have been applied, and it takes requests.
    With port 0, the port of the last run is used again if it is free, so that
    kubeconfigs stay valid.

    Whoever has the token in the kubeconfig may do everything. Others come from
    the file ``tokens``, in the form of kube-apiserver's --token-auth-file, which
    may change meanwhile; what they may do say roles and bindings. Each kind
    remembers ``window`` changes for watches to start from.

    Ownership: the directory ``data``, which no other process can use meanwhile.
    Shutdown: ``stop`` ends watches and lets requests under way end; then the
    database is closed. What was answered is stored, also after a kill.
    Failure: an address that is taken raises OSError, a database that cannot be
    opened sqlite3.Error; a write that cannot be stored fails that request only.
    """
    _check_loopback(listen)
    credentials = _prepare(data)
    store = Store(open_database(data / "api.db"), window=window)
    api, access = Api(store, Catalog(), _now), Access(store)
    async with trio.open_nursery() as storage:
        await storage.start(store.run)
        await install(api, crds, (*_NAMESPACES, *namespaces), POLICY)
        await storage.start(finish_deletions, api.objects)
        await storage.start(collect_garbage, api)
        if manifests is not None:
            await storage.start(partial(follow_manifests, manifests, api, report=report))
        context = server_context(credentials)
        storage.start_soon(_renew_certificate, data, context)
        app = HttpApi(Routes(api, access, _now), Users(credentials.token, tokens), access)
        async with trio.open_nursery() as serving:
            bind = _bind(listen, store.setting("port"))
            # hypercorn's types of messages are narrower than ASGI's, and of its own.
            serve = partial(serve_app, cast("Framework", app), [bind], stop=stop, tls=context)
            (url,) = await serving.start(serve)
            await store.keep_setting("port", url.rpartition(":")[2])
            write_kubeconfig(data / "kubeconfig", url, credentials)
            serving.start_soon(_end_watches, stop, store.close_feeds)
            task_status.started(
                Endpoint(
                    url=url,
                    token=credentials.token,
                    ca_pem=credentials.ca_pem,
                    kubeconfig=data / "kubeconfig",
                )
            )
        storage.cancel_scope.cancel()


async def install(
    api: Api,
    crds: Sequence[Mapping[str, Any]],
    namespaces: Sequence[str] = (),
    policy: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Have ``namespaces`` there, roles and bindings of ``policy``, and ``crds`` established."""
    spaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": each}}
        for each in dict.fromkeys(namespaces)
    ]
    for body in (*spaces, *policy, *crds):
        resource = api.catalog.find_kind(body["apiVersion"], body["kind"])
        if resource is None:
            raise ValueError(f"{body['kind']} is no kind of the embedded API")
        await api.apply(resource, Key("", body["metadata"]["name"]), dict(body), _OPTIONS)


def _prepare(data: Path) -> Credentials:
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    return keep_credentials(data, _now())


async def _end_watches(stop: trio.Event, close: Callable[[], None]) -> None:
    await stop.wait()
    close()


async def _renew_certificate(data: Path, context: ssl.SSLContext) -> None:
    # For new connections; a new authority needs a new start, as clients need its certificate.
    while True:
        await trio.sleep(_RENEWAL_SECONDS)
        renewed: Credentials = keep_credentials(data, _now())
        context.load_cert_chain(renewed.server_pem)


def _bind(listen: str, former_port: str | None) -> str:
    host, _, port = listen.rpartition(":")
    if port != "0" or former_port is None:
        return listen
    return f"{host}:{former_port if _is_free(host.strip('[]'), int(former_port)) else 0}"


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
    return True


def _check_loopback(listen: str) -> None:
    host = listen.rpartition(":")[0].strip("[]")
    if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
        raise ValueError(f"must be an address of the loopback interface: {listen}")


def _now() -> datetime:
    return datetime.now(UTC)
