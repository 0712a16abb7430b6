"""Our own network fails, and nobody is blamed: the whole program in a network of its own."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from support import blindness
from support.namespaces import Namespaces, joined

pytestmark = pytest.mark.servers

TESTS = Path(blindness.__file__).parents[1]
# Serves HTTP on all addresses; answers come after so many seconds.
WEB = """
import sys, trio
async def serve(stream):
    async with stream:
        try:
            await stream.receive_some()
            await trio.sleep(float(sys.argv[2]))
            await stream.send_all(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
        except trio.BrokenResourceError:
            pass
async def main():
    (listener,) = await trio.open_tcp_listeners(int(sys.argv[1]), host=sys.argv[3], backlog=4096)
    print(listener.socket.getsockname()[1], flush=True)
    await trio.serve_listeners(serve, [listener])
trio.run(main)
"""
# Knows one name.
DNS = """
import dns.message, dns.rrset, socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("192.0.2.3", 53))
print("ready", flush=True)
while True:
    data, client = sock.recvfrom(4096)
    answer = dns.message.make_response(dns.message.from_wire(data))
    name = answer.question[0].name
    if answer.question[0].rdtype == 1:
        answer.answer.append(dns.rrset.from_text(name, 60, "IN", "A", "192.0.2.2"))
    sock.sendto(answer.to_wire(), client)
"""


@pytest.fixture
def network() -> Iterator[Namespaces]:
    """The other host has more addresses, and a web server."""
    with joined() as found:
        for number in (3, 4):
            address = ["addr", "add", f"192.0.2.{number}/24", "dev", "v"]
            subprocess.run(["ip", "-n", found.there, *address], check=True)
        with started(found.command(*script(WEB, "8000", "0", "0.0.0.0"), there=True)):  # noqa: S104 - of a network of its own
            yield found


def script(text: str, *arguments: str) -> Sequence[str]:
    return (sys.executable, "-c", text, *arguments)


@contextmanager
def started(command: Sequence[str]) -> Iterator[str]:
    """A program, once it has said its first line, which this yields."""
    with ExitStack() as stack:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        stack.callback(process.wait)
        stack.callback(process.kill)
        assert process.stdout is not None
        stack.callback(process.stdout.close)
        line = process.stdout.readline()
        assert line
        yield line.strip()


def scenario(name: str, folder: Path, where: str) -> Sequence[str]:
    assert name in blindness.SCENARIOS
    paths = f"PYTHONPATH={TESTS}:{TESTS.parent}"
    python = ("env", paths, sys.executable, "-m", "support.blindness")
    return (*python, name, str(folder), where)


def test_a_cable_that_is_out_blames_nobody(network: Namespaces, tmp_path: Path) -> None:
    command = network.command(*scenario("link_goes_down", tmp_path, network.there))
    subprocess.run(command, check=True)


def test_without_a_resolver_nobody_is_blamed_and_addresses_are_watched_on(
    network: Namespaces, tmp_path: Path
) -> None:
    command = network.command(*scenario("resolver_goes_away", tmp_path, network.there))
    pipe = subprocess.PIPE
    with ExitStack() as stack:
        resolver = stack.enter_context(ExitStack())
        resolver.enter_context(started(network.command(*script(DNS), there=True)))
        process = stack.enter_context(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True))
        assert process.stdout is not None
        while "resolving" not in (line := process.stdout.readline()):
            assert line, "it has ended early"
        resolver.close()
        process.communicate("gone\n", timeout=90)
    assert process.returncode == 0


def test_too_few_descriptors_blame_nobody(tmp_path: Path) -> None:
    with started(script(WEB, "0", "4", "127.0.0.1")) as port:
        url = f"http://127.0.0.1:{port}/"
        subprocess.run(scenario("descriptors_run_out", tmp_path, url), check=True)
