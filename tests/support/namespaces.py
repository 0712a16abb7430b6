"""Two network namespaces, joined by a cable: hosts 1 and 2 of 192.0.2.0/24 and 2001:db8::/64."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import attrs
import pytest
from support.daemons import installed


@attrs.frozen
class Namespaces:
    """A host ``here``, which is number 1, and one ``there``, which is number 2."""

    here: str
    there: str

    def command(self, *command: str, there: bool = False) -> list[str]:
        """How to run ``command`` in one of them."""
        return ["ip", "netns", "exec", self.there if there else self.here, *command]


@contextmanager
def joined() -> Iterator[Namespaces]:
    """Both, while this lasts. Skips the test without the rights."""
    installed("ip", "iproute2")
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root, for network namespaces")
    found = Namespaces(f"kk-here-{os.getpid()}", f"kk-there-{os.getpid()}")
    try:
        for name in (found.here, found.there):
            subprocess.run(["ip", "netns", "add", name], check=True)
        link = ["ip", "-n", found.here, "link", "add", "v", "address", _hardware(1)]
        link += ["type", "veth", "peer", "name", "v", "address", _hardware(2)]
        subprocess.run([*link, "netns", found.there], check=True)
        for name, number, other in ((found.here, 1, 2), (found.there, 2, 1)):
            ip = ["ip", "-n", name]
            subprocess.run([*ip, "addr", "add", f"192.0.2.{number}/24", "dev", "v"], check=True)
            v6 = f"2001:db8::{number}/64"
            subprocess.run([*ip, "addr", "add", v6, "dev", "v", "nodad"], check=True)
            subprocess.run([*ip, "link", "set", "v", "up"], check=True)
            subprocess.run([*ip, "link", "set", "lo", "up"], check=True)
            # On a link that has only just come up, the first question for a neighbour may be
            # lost, and the next one comes a second later.
            for address in (f"192.0.2.{other}", f"2001:db8::{other}"):
                known = ["neigh", "add", address, "lladdr", _hardware(other), "dev", "v"]
                subprocess.run([*ip, *known, "nud", "permanent"], check=True)
        yield found
    finally:
        for name in (found.here, found.there):
            subprocess.run(["ip", "netns", "del", name], check=False)


def _hardware(number: int) -> str:
    return f"02:00:00:00:00:0{number}"
