"""The docker checker against Podman's service for Docker clients, and real containers."""

import os
import subprocess
import tarfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import attrs
import pytest
import trio
from fakes.targets import answer, check_context, monitor_of, secret_ref, start_target
from support.daemons import NEED, free_ports, installed, running
from support.daemons_tls import server_files

from kubekuma.check.run import run_check
from kubekuma.model.criteria import DockerCriteria, Expectation, Op, SuccessCriteria
from kubekuma.model.monitor import MonitorType
from kubekuma.model.result import CheckResult, Reason
from kubekuma.model.settings import AddressPolicy
from kubekuma.model.target import ClientCertificate, DockerTarget

pytestmark = pytest.mark.servers

CLIENT: Final = ClientCertificate(
    cert_secret_ref=secret_ref("cert"), key_secret_ref=secret_ref("key")
)
LIMITS: Final = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
# Ends when it is told to: the first process of a container hears only what it listens for.
HEARS: Final = ("/bin/sh", "-c", "trap 'exit 0' TERM; while :; do /bin/sleep 1; done")


@attrs.frozen
class Engine:
    socket: Path
    tls_port: int
    secrets: dict[str, bytes]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    program = installed("podman", "podman")
    runtime = installed("runc", "runc")
    nginx = installed("nginx", "nginx-light")
    folder = tmp_path_factory.mktemp("engine")
    # The path of a socket must be short.
    with TemporaryDirectory(prefix="kubekuma-podman-", ignore_cleanup_errors=True) as short:
        podman = (
            *(program, "--root", f"{short}/1", "--runroot", f"{short}/2", "--tmpdir", f"{short}/3"),
            *("--storage-driver", "vfs", "--events-backend", "file"),
            *("--cgroup-manager", "cgroupfs", "--runtime", runtime),
        )
        socket = Path(short, "engine.sock")
        (tls_port,) = free_ports(1)
        files = server_files(folder)
        configuration = folder / "nginx.conf"
        configuration.write_text(f"""
            daemon off;
            user root;
            pid {folder}/pid;
            error_log {folder}/error.log;
            events {{}}
            http {{
              access_log off;
              client_body_temp_path {folder}/1; proxy_temp_path {folder}/2;
              fastcgi_temp_path {folder}/3; uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
              server {{
                listen 127.0.0.1:{tls_port} ssl;
                ssl_certificate {files.cert};
                ssl_certificate_key {files.key};
                ssl_client_certificate {files.authority};
                ssl_verify_client on;
                location / {{ proxy_pass http://unix:{socket}:; }}
              }}
            }}
        """)
        talks = ("--log-level", "info")
        service = [*podman, *talks, "system", "service", "--time", "0", f"unix://{socket}"]
        front: list[str | Path] = [nginx, "-e", folder / "error.log", "-c", configuration]
        pair = {"cert": files.cert, "key": files.key, "bundle": files.authority}
        try:
            started(podman, Path(short))
            with (
                running(service, folder, says="API service listening"),
                running(front, folder, ports=(tls_port,)),
            ):
                yield Engine(
                    socket, tls_port, {name: path.read_bytes() for name, path in pair.items()}
                )
        finally:
            run([*podman, "rm", "--all", "--force", "--time", "0"])
            await_the_last(short)


def await_the_last(folder: str) -> None:
    """What watches over a container outlives it for a moment, and writes to ``folder`` at last."""
    ends_at = time.monotonic() + 10
    while time.monotonic() < ends_at and any(map(partial(mentions, folder), processes())):
        time.sleep(0.05)


def processes() -> Iterator[Path]:
    return Path("/proc").glob("[0-9]*/cmdline")


def mentions(folder: str, command_line: Path) -> bool:
    try:
        return folder.encode() in command_line.read_bytes()
    except OSError:
        return False


def started(podman: Sequence[str], folder: Path) -> None:
    try:
        start_containers(podman, folder)
    except RuntimeError as error:
        # A namespace or cgroup may be more than this machine gives us.
        if os.environ.get(NEED):
            raise
        pytest.skip(f"no container runs here: {error}")


def run(command: Sequence[str], *, status: int = 0) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != status:
        raise RuntimeError(f"{command!r} fails:\n{done.stderr}")


def start_containers(podman: Sequence[str], folder: Path) -> None:
    image = folder / "image.tar"
    with tarfile.open(image, "w") as tar:
        for name in ("sh", "sleep", "true", "false"):
            tar.add(installed("/bin/busybox", "busybox-static"), f"bin/{name}")
    run([*podman, "import", str(image), "busybox:test"])

    def make(verb: str, name: str, *more: str, say: Sequence[str] = HEARS, status: int = 0) -> None:
        options = ("--name", name, "--network", "none", *LIMITS, *more)
        run([*podman, verb, *options, "busybox:test", *say], status=status)

    detached = "--detach"
    make("run", "web", detached, "--env", "TOKEN=canary-8f3a")
    make("create", "made")
    make("run", "broken", say=("/bin/sh", "-c", "exit 3"), status=3)
    make("run", "paused", detached)
    run([*podman, "pause", "paused"])
    health = ("--health-interval", "disable", "--health-retries", "1")
    for name, command in (("well", "/bin/true"), ("ill", "/bin/false"), ("new", "/bin/true")):
        make("run", name, detached, "--health-cmd", command, *health)
    for status, name in enumerate(("well", "ill")):
        run([*podman, "healthcheck", "run", name], status=status)


async def check(
    engine: Engine, container: str, criteria: SuccessCriteria | None = None, **fields: Any
) -> CheckResult:
    sockets = fields.pop("sockets", (str(engine.socket),))
    policy = {"targets": fields.pop("targets")} if "targets" in fields else {}
    context = check_context(secrets=engine.secrets, **policy)
    networking = attrs.evolve(context.networking, unix_sockets=sockets)
    target = DockerTarget(**{"host": f"unix://{engine.socket}", "container": container, **fields})
    result = await run_check(
        monitor_of(MonitorType.DOCKER, target, criteria),
        attrs.evolve(context, networking=networking),
        transcript=True,
    )
    assert "canary" not in repr(result)
    return result


HEALTHY = SuccessCriteria(docker=DockerCriteria(healthy=True))
STOPPED = SuccessCriteria(docker=DockerCriteria(running=False))


async def test_a_container_that_runs(engine: Engine) -> None:
    result = await check(engine, "web")
    assert result.reason is Reason.PASSED, result.message
    assert result.peer == str(engine.socket)
    assert result.transcript[-1] == "< running"
    timings = result.timings
    phases = (timings.connect, timings.first_byte, timings.transfer)
    assert sum(filter(None, phases)) == pytest.approx(result.latency_seconds)


@pytest.mark.parametrize(
    ("container", "criteria", "reason", "said"),
    [
        ("made", None, Reason.NOT_SERVING, "the container is created"),
        ("broken", None, Reason.NOT_SERVING, "the container is exited (exit code 3)"),
        ("paused", None, Reason.NOT_SERVING, "the container is paused"),
        ("none", None, Reason.COMMAND_FAILED, "there is no container none"),
        ("broken", STOPPED, Reason.PASSED, ""),
        ("web", STOPPED, Reason.NOT_SERVING, "the container runs and should not"),
        ("well", HEALTHY, Reason.PASSED, ""),
        ("ill", HEALTHY, Reason.NOT_SERVING, "the container runs, and its health is unhealthy"),
        ("new", HEALTHY, Reason.NOT_SERVING, "the container runs, and its health is starting"),
        ("web", HEALTHY, Reason.NOT_SERVING, "the container has no health check"),
        ("broken", HEALTHY, Reason.NOT_SERVING, "the container is exited (exit code 3)"),
    ],
)
async def test_the_state_is_judged(
    engine: Engine, container: str, criteria: SuccessCriteria, reason: Reason, said: str
) -> None:
    result = await check(engine, container, criteria)
    assert (result.reason, result.message) == (reason, said)


@pytest.mark.parametrize(
    ("value", "to", "reason"),
    [
        ("output", "exited", Reason.PASSED),
        ("json($.State.ExitCode)", 3, Reason.PASSED),
        ("json($.Config)", "x", Reason.EXPECTATION_FAILED),
    ],
)
async def test_expectations_see_the_state_alone(
    engine: Engine, value: str, to: object, reason: Reason
) -> None:
    expected = Expectation(value=value, op=Op.EQUALS, to=to)
    criteria = SuccessCriteria(docker=DockerCriteria(running=False), expect=(expected,))
    result = await check(engine, "broken", criteria)
    assert result.reason is reason, result.message


async def test_tls_with_certificates_on_both_sides(engine: Engine) -> None:
    fields: dict[str, Any] = {
        "host": f"tcp://localhost:{engine.tls_port}",
        "ca_bundle_secret_ref": secret_ref("bundle"),
    }
    result = await check(engine, "web", tls=CLIENT, **fields)
    assert result.reason is Reason.PASSED, result.message
    assert result.certificate
    assert result.certificate.valid
    stranger = await check(engine, "web", **fields)
    assert stranger.reason is Reason.COMMAND_FAILED
    assert "answers with 400" in stranger.message
    untrusted = await check(engine, "web", tls=CLIENT, host=fields["host"])
    assert untrusted.reason is Reason.TLS_UNTRUSTED
    denied = await check(engine, "web", tls=CLIENT, targets=AddressPolicy(), **fields)
    assert denied.reason is Reason.ADDRESS_DENIED


@pytest.mark.parametrize("sockets", [(), ("/run/other.sock",)])
async def test_only_sockets_of_the_settings_are_opened(
    engine: Engine, sockets: Sequence[str]
) -> None:
    result = await check(engine, "web", sockets=sockets)
    assert result.reason is Reason.ADDRESS_DENIED
    assert result.message.endswith("is none that the settings allow")


async def test_a_socket_that_is_not_there_is_told(engine: Engine) -> None:
    result = await check(engine, "web", host="unix:///none", sockets=("/none",))
    assert result.reason is Reason.CONNECTION_FAILED
    assert "No such file" in result.message


# What Podman does not say ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (b'{"Status": "restarting", "ExitCode": 1}', "restarting (exit code 1)"),
        (b'{"Status": "dead", "ExitCode": 137, "OOMKilled": true}', "dead (exit code 137, out"),
    ],
)
async def test_other_states_are_told(nursery: trio.Nursery, state: bytes, said: str) -> None:
    result = await answered(nursery, answer("200 OK", body=b'{"State": %s}' % state))
    assert result.reason is Reason.NOT_SERVING
    assert said in result.message


@pytest.mark.parametrize("body", [b"[]", b"no", b'{"State": 1}', b'{"State": {}}', b'"State"'])
async def test_other_servers_are_told_apart(nursery: trio.Nursery, body: bytes) -> None:
    result = await answered(nursery, answer("200 OK", body=body))
    assert result.reason is Reason.PROTOCOL_ERROR


async def test_who_is_not_let_in_is_told(nursery: trio.Nursery) -> None:
    result = await answered(nursery, answer("403 Forbidden"))
    assert result.reason is Reason.AUTH_FAILED


async def answered(nursery: trio.Nursery, said: bytes) -> CheckResult:
    target = await start_target(nursery, said)
    fields = DockerTarget(host=f"tcp://127.0.0.1:{target.port}", container="web")
    return await run_check(monitor_of(MonitorType.DOCKER, fields), check_context())
