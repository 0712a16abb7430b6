"""Docker checker: a container runs, and if asked is healthy (Docker Engine API)."""

import errno
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import trio

from kubekuma import __version__
from kubekuma.check.answer import Answer
from kubekuma.check.context import Check
from kubekuma.check.dial import Destination, dial
from kubekuma.check.errors import os_failure
from kubekuma.check.exchange import Wanted, exchange
from kubekuma.check.expect import Facts
from kubekuma.check.finding import CheckFailed, Finding
from kubekuma.check.judge import judge_shared, shared_values
from kubekuma.check.request import Field, Request
from kubekuma.check.tls_context import ClientPair
from kubekuma.check.trace import Phase
from kubekuma.check.wire import PlainWire, Wire
from kubekuma.kit.json_path import parse_json
from kubekuma.kit.url import Url, parse_host
from kubekuma.model.criteria import DockerCriteria, SuccessCriteria
from kubekuma.model.result import Reason
from kubekuma.model.target import DockerTarget, IpFamily, Tls

MOST_BYTES: Final = 4 * 1024 * 1024
_UNIX: Final = "unix://"
_TCP: Final = "tcp://"
_STATE: Final = "State"


async def check_docker(
    target: DockerTarget, criteria: SuccessCriteria, check: Check
) -> Sequence[Finding]:
    """Ask the engine for the container, and judge the state that it tells.

    For expectations there are ``output``, which is the state in a word, and by ``json()`` what
    the engine says under ``State``: nothing else, as the environment may hold secrets.
    """
    if target.host.startswith(_UNIX):
        wire = await _dial_path(target.host.removeprefix(_UNIX), check)
    else:
        wire = await dial(await _destination(target, check), check)
    try:
        wanted = Wanted(body=True, max_body_bytes=MOST_BYTES, redirects=False)
        answer = await exchange(wire, _question(target.container), wanted, check.trace)
    finally:
        wire.close()
    check.trace.finish()
    state = await check.work(len(answer.body), lambda: _state(target.container, answer))
    status = str(state.get("Status", ""))
    check.trace.say("< %s", _told(status, state))
    body = json.dumps({_STATE: state}, default=str).encode()
    about = Answer(status=answer.status, headers=(), body=body)
    values = {**shared_values(check.trace, check.context.now()), "output": status}
    facts = Facts(kind="docker", values=values, answer=about)
    return [
        *judge_container(state, criteria.docker or DockerCriteria()),
        *judge_shared(criteria, facts, check.trace.latency, check.show),
    ]


def judge_container(state: Mapping[str, Any], wanted: DockerCriteria) -> Iterator[Finding]:
    """Yield what is wrong with ``state``, as the engine tells it."""
    status = str(state.get("Status", ""))
    runs = status == "running"
    if wanted.running and not runs:
        yield Finding(Reason.NOT_SERVING, f"the container is {_told(status, state)}")
    elif runs and not wanted.running:
        yield Finding(Reason.NOT_SERVING, "the container runs and should not")
    if not (wanted.healthy and runs):
        return
    health = state.get("Health")
    found = str(health.get("Status", "")) if isinstance(health, Mapping) else ""
    if found in {"", "none"}:
        yield Finding(Reason.NOT_SERVING, "the container has no health check")
    elif found != "healthy":
        yield Finding(Reason.NOT_SERVING, f"the container runs, and its health is {found}")


async def _dial_path(path: str, check: Check) -> Wire:
    if path not in check.context.networking.unix_sockets:
        message = f"the socket {path} is none that the settings allow"
        raise CheckFailed(Reason.ADDRESS_DENIED, message)
    check.trace.enter(Phase.CONNECT, f"connecting to {path}")
    check.trace.peer = path
    sock = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
    try:
        await sock.connect(path)
    except OSError as error:
        sock.close()
        if error.errno in {errno.EACCES, errno.EPERM}:
            message = f"we may not open the socket {path}"
            raise CheckFailed(Reason.NO_PERMISSION, message) from error
        raise os_failure(error, f"connecting to {path}") from error
    except BaseException:
        sock.close()
        raise
    return PlainWire(sock)


async def _destination(target: DockerTarget, check: Check) -> Destination:
    host, _, port = target.host.removeprefix(_TCP).rpartition(":")
    secure = target.tls is not None or target.ca_bundle_secret_ref is not None
    client = None
    if target.tls is not None:
        cert = await check.value(target.tls.cert_secret_ref)
        client = ClientPair(cert, await check.secret(target.tls.key_secret_ref))
    return Destination(
        host=parse_host(host.strip("[]")),
        port=int(port),
        ip_family=IpFamily.AUTO,
        tls=Tls(ca_bundle_secret_ref=target.ca_bundle_secret_ref) if secure else None,
        client=client,
    )


def _question(container: str) -> Request:
    # The path without a version means the engine's own.
    path = f"/containers/{quote(container, safe='')}/json"
    headers = (
        Field(b"User-Agent", f"KubeKuma/{__version__}".encode()),
        Field(b"Accept", b"application/json"),
        Field(b"Connection", b"close"),
    )
    url = Url(scheme="http", host="docker", port=80, target=path)
    return Request(method="GET", url=url, headers=headers)


def _state(container: str, answer: Answer) -> Mapping[str, Any]:
    if answer.status == 404:
        raise CheckFailed(Reason.COMMAND_FAILED, f"there is no container {container}")
    if answer.status in {401, 403}:
        raise CheckFailed(Reason.AUTH_FAILED, f"the engine does not let us in ({answer.status})")
    if answer.status != 200:
        raise CheckFailed(Reason.COMMAND_FAILED, f"the engine answers with {answer.status}")
    try:
        state = parse_json(answer.body)[_STATE]
    except (ValueError, TypeError, LookupError) as error:
        raise _no_engine() from error
    if not isinstance(state, dict) or not isinstance(state.get("Status"), str):
        raise _no_engine()
    return state


def _told(status: str, state: Mapping[str, Any]) -> str:
    details = []
    if status not in {"running", "created", "paused"}:
        details.append(f"exit code {state.get('ExitCode')}")
    if state.get("OOMKilled") is True:
        details.append("out of memory")
    return f"{status} ({', '.join(details)})" if details else status


def _no_engine() -> CheckFailed:
    return CheckFailed(Reason.PROTOCOL_ERROR, "the answer is not that of a Docker engine")
