"""The ssh checker against OpenSSH."""

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from fakes.targets import check_context, monitor_of
from support.daemons import free_ports, installed, running

from kubekuma.check.run import run_check
from kubekuma.model.criteria import ServiceCriteria, SuccessCriteria
from kubekuma.model.monitor import MonitorType
from kubekuma.model.result import CheckResult, Reason
from kubekuma.model.target import SshTarget

pytestmark = pytest.mark.servers
KINDS = ("ed25519", "ecdsa", "rsa")


@attrs.frozen
class Sshd:
    port: int
    rsa_port: int  # of a server that has no other key
    fingerprints: Mapping[str, str]


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    program = installed("sshd", "openssh-server")
    folder = tmp_path_factory.mktemp("sshd")
    # Where it gives up its rights, which it looks for even if nobody logs in.
    Path("/run/sshd").mkdir(exist_ok=True)
    ports = free_ports(2)
    fingerprints = {}
    for kind in KINDS:
        key = folder / kind
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", key], check=True)
        said = subprocess.run(["ssh-keygen", "-l", "-f", key], capture_output=True, check=True)
        fingerprints[kind] = said.stdout.decode().split()[1]
    fixed = ["-D", "-e", "-f", "/dev/null", "-o", "PidFile=none"]

    def command(port: int, *kinds: str) -> list[str | Path]:
        keys = [part for kind in kinds for part in ("-h", folder / kind)]
        where = ["-o", f"ListenAddress=127.0.0.1:{port}"]
        return [program, *fixed, *where, *keys]

    with (
        running(command(ports[0], *KINDS), folder, ports=ports[:1]),
        running(command(ports[1], "rsa"), folder, ports=ports[1:]),
    ):
        yield Sshd(ports[0], ports[1], fingerprints)


async def check(sshd: Sshd, criteria: Any = None, **fields: Any) -> CheckResult:
    target = SshTarget(**{"host": "127.0.0.1", "port": sshd.port, **fields})
    monitor = monitor_of(MonitorType.SSH, target, criteria)
    return await run_check(monitor, check_context(), transcript=True)


async def test_a_banner(sshd: Sshd) -> None:
    openssh = SuccessCriteria(service=ServiceCriteria(pattern="^SSH-2.0-OpenSSH_"))
    result = await check(sshd, openssh)
    assert result.reason is Reason.PASSED, result.message
    dropbear = SuccessCriteria(service=ServiceCriteria(pattern="dropbear"))
    assert (await check(sshd, dropbear)).reason is Reason.VALUE_MISMATCH


@pytest.mark.parametrize("kind", KINDS)
async def test_the_host_key_of_each_kind_is_known_by_its_fingerprint(sshd: Sshd, kind: str) -> None:
    result = await check(sshd, host_key_fingerprint=sshd.fingerprints[kind])
    assert result.reason is Reason.PASSED, result.message
    assert any(sshd.fingerprints[kind] in line for line in result.transcript)


async def test_a_server_with_one_key_only(sshd: Sshd) -> None:
    known = sshd.fingerprints["rsa"]
    result = await check(sshd, port=sshd.rsa_port, host_key_fingerprint=known)
    assert result.reason is Reason.PASSED, result.message


@pytest.mark.parametrize(("port", "shown"), [("port", 3), ("rsa_port", 1)])
async def test_another_key_is_told_with_all_that_there_are(
    sshd: Sshd, port: str, shown: int
) -> None:
    wrong = f"SHA256:{'A' * 43}"
    result = await check(sshd, port=getattr(sshd, port), host_key_fingerprint=wrong)
    assert result.reason is Reason.HOST_KEY_MISMATCH
    assert sum(each in result.message for each in sshd.fingerprints.values()) == shown
    assert wrong in result.message
