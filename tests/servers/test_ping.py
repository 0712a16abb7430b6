"""The ping checker in a network of its own: two hosts, and whatever is between them."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs
import pytest
from support.namespaces import Namespaces, joined

pytestmark = pytest.mark.servers

# Run inside of the network: one check, its result as JSON.
SCRIPT = """
import json, sys, trio
sys.path[:0] = {path!r}
from fakes.targets import check_context, monitor_of
import attrs
from kubekuma.check.run import run_check
from kubekuma.model.criteria import PingCriteria, SuccessCriteria
from kubekuma.model.monitor import MonitorType
from kubekuma.model.settings import PingMode, PingSettings
from kubekuma.model.target import IpFamily, PingTarget

async def main(target, wanted, mode, seconds):
    if "ip_family" in target:
        target["ip_family"] = IpFamily(target["ip_family"])
    context = check_context()
    ping = PingSettings(mode=PingMode(mode), tcp_fallback_port=7)
    context = attrs.evolve(context, networking=attrs.evolve(context.networking, ping=ping))
    criteria = SuccessCriteria(ping=PingCriteria(**wanted))
    monitor = monitor_of(MonitorType.PING, PingTarget(**target), criteria, timeout_seconds=seconds)
    result = await run_check(monitor, context, transcript=True)
    print(json.dumps([result.reason, result.message, result.latency_seconds, result.peer]))

trio.run(main, *json.loads(sys.argv[1]))
"""

# Answers to pings: not to every so manyth, and after some seconds.
REPLIES = f"""
import socket, struct, sys, time
sys.path[:0] = {[str(Path(__file__).parents[2])]!r}
from kubekuma.check.icmp import checksum
lose, seconds = int(sys.argv[1]), float(sys.argv[2])
sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
print("ready", flush=True)
heard = 0
while True:
    data, client = sock.recvfrom(65536)
    body = data[20:]
    if body[0] != 8:
        continue
    heard += 1
    if lose and heard % lose == 0:
        continue
    time.sleep(seconds)
    reply = b"\\0\\0\\0\\0" + body[4:]
    sock.sendto(reply[:2] + struct.pack(">H", checksum(reply)) + reply[4:], client)
"""


@attrs.frozen
class Result:
    reason: str
    message: str
    latency_seconds: float
    peer: str | None


@attrs.frozen
class Network:
    """A host here, and one at 192.0.2.2 and 2001:db8::2."""

    namespaces: Namespaces

    def run(self, *command: str, there: bool = False) -> str:
        whole = self.namespaces.command(*command, there=there)
        return subprocess.run(whole, check=True, capture_output=True, text=True).stdout

    def groups(self, allowed: str) -> None:
        self.run("sysctl", "-qw", f"net.ipv4.ping_group_range={allowed}")

    def check(
        self,
        wanted: Mapping[str, Any] | None = None,
        mode: str = "icmp",
        drop: str = "",
        seconds: int = 2,
        **target: Any,
    ) -> Result:
        """The result of a check; ``drop``: a capability that the process does not have."""
        script = SCRIPT.format(
            path=[str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]
        )
        arguments = json.dumps([{"host": "192.0.2.2", **target}, wanted or {}, mode, seconds])
        command = [sys.executable, "-c", script, arguments]
        if drop:
            command = ["setpriv", f"--bounding-set=-{drop}", f"--inh-caps=-{drop}", *command]
        return Result(*json.loads(self.run(*command)))


@pytest.fixture
def network() -> Iterator[Network]:
    with joined() as found:
        yield Network(found)


@pytest.mark.parametrize("groups", ["0 2147483647", "1 0"], ids=["datagram", "raw"])
@pytest.mark.parametrize("host", ["192.0.2.2", "2001:db8::2"])
def test_a_host_answers(network: Network, groups: str, host: str) -> None:
    network.groups(groups)
    result = network.check(host=host, packet_count=2)
    assert result.reason == "Passed", result.message
    assert result.peer == host
    # The average of the round trips, not the time that it took to send them.
    assert result.latency_seconds < 0.15
    assert network.check(host=host, packet_count=1, packet_size=4000).reason == "Passed"


def test_who_may_not_ask_says_what_is_missing_and_may_ask_otherwise(network: Network) -> None:
    network.groups("1 0")
    result = network.check(drop="net_raw")
    assert result.reason == "NoPermission"
    assert "ping_group_range" in result.message
    # Nobody listens there: that the host says so is an answer.
    assert network.check(mode="tcpFallback", drop="net_raw").reason == "Passed"
    assert network.check(mode="tcpOnly").reason == "Passed"


@pytest.fixture
def replies(network: Network) -> Iterator[Callable[..., None]]:
    """Has a program of ours answer instead of the kernel: not to all, or late."""
    network.groups("0 2147483647")
    network.run("sysctl", "-qw", "net.ipv4.icmp_echo_ignore_all=1", there=True)
    with ExitStack() as stack:

        def start(*, lose_every: int = 0, seconds: float = 0.0) -> None:
            command = [sys.executable, "-c", REPLIES, str(lose_every), str(seconds)]
            command = network.namespaces.command(*command, there=True)
            process = subprocess.Popen(command, stdout=subprocess.PIPE)
            stack.callback(process.wait)
            stack.callback(process.kill)
            assert process.stdout is not None
            stack.callback(process.stdout.close)
            assert process.stdout.readline() == b"ready\n"

        yield start


def test_lost_packets_are_counted(network: Network, replies: Callable[..., None]) -> None:
    replies(lose_every=3)
    result = network.check(packet_count=3)
    assert result.reason == "PacketLoss"
    assert result.message == "1 of 3 pings were lost (33 %)"
    assert network.check({"max_loss_percent": 40}, packet_count=3).reason == "Passed"


def test_a_long_way_is_measured(network: Network, replies: Callable[..., None]) -> None:
    replies(seconds=0.08)
    result = network.check({"latency_ms_under": 50}, packet_count=2)
    assert result.reason == "LatencyMismatch"
    assert 0.08 <= result.latency_seconds < 0.5


def test_silence_and_no_way_are_told_apart(network: Network, replies: Callable[..., None]) -> None:
    replies(lose_every=1)
    result = network.check()
    assert result.reason == "Timeout"
    assert result.message == "none of 3 pings to 192.0.2.2 was answered"
    assert network.check(host="198.51.100.1").reason == "NoRoute"
    # Its neighbours are asked for it three times, a second apart.
    assert network.check(host="192.0.2.99", seconds=6).reason == "HostUnreachable"
