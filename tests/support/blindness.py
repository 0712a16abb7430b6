"""Scenarios of a network that fails, each in a process (and a network) of its own.

``python -m support.blindness SCENARIO FOLDER WHERE``: ends with an error if anything is not as it
should be. The other namespace has a web server at 192.0.2.2 to 192.0.2.4.
"""

import resource
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import attrs
import trio
from prometheus_client.parser import text_string_to_metric_families
from support.program import (
    EVENTS,
    GROUP,
    SETTINGS,
    Cluster,
    Program,
    cluster,
    condition,
    program,
    until,
)

WITNESSES: Final = ["192.0.2.2:8000", "192.0.2.3:8000"]
OUTAGE_SECONDS: Final = 12.0


@attrs.frozen
class Stage:
    """The program at work, and what it works on."""

    api: Cluster
    it: Program

    async def apply(self, name: str, url: str, **schedule: Any) -> None:
        """Have ``url`` watched: one failure and it is down."""
        await self.api.apply(
            {
                "apiVersion": "monitoring.kubekuma.io/v1",
                "kind": "Monitor",
                "metadata": {"name": name, "namespace": "shop"},
                "spec": {
                    "type": "http",
                    "target": {"http": {"url": url}},
                    "schedule": {
                        "intervalSeconds": 2,
                        "timeoutSeconds": 1,
                        "retries": {"maxRetries": 0},
                        **schedule,
                    },
                },
            }
        )

    async def states(self) -> Mapping[str, str]:
        """The state of every monitor."""
        found: dict[str, str] = {}
        after = ""
        while True:
            page = await self.it.get(f"/api/v1/monitors?limit=200{after}")
            found.update({each["name"]: each["state"] for each in page["items"]})
            if not page.get("continue"):
                return found
            after = f"&continue={page['continue']}"

    async def sample(self, metric: str, **labels: str) -> float:
        """The sum of a metric's samples with ``labels``."""
        families = text_string_to_metric_families(await self.it.text("/metrics"))
        return sum(
            each.value
            for family in families
            for each in family.samples
            if each.name == metric and labels.items() <= each.labels.items()
        )

    async def is_blind(self) -> bool:
        """Whether what is local is said to be out of sight."""
        return await self.sample("kubekuma_connectivity_ok", scope="local") == 0

    async def settings(self) -> Any:
        """The settings, with what is said of the program."""
        return await self.api.get(f"{GROUP}/kubekumasettings/kubekuma")

    async def nobody_was_blamed(self) -> None:
        """See to it that no check has failed, and that nobody was told so."""
        assert await self.sample("kubekuma_checks_total", result="failed") == 0
        assert "down" not in (await self.states()).values()
        events = await self.api.get(EVENTS)
        assert "Down" not in {each["reason"] for each in events["items"]}


@asynccontextmanager
async def stage(folder: Path, **spec: Any) -> AsyncIterator[Stage]:
    """A cluster and the program, with settings of which ``spec`` replaces parts."""
    async with cluster(folder) as api:
        await api.apply({**SETTINGS, "spec": {**SETTINGS["spec"], **spec}})
        async with program(folder) as it:
            yield Stage(api, it)
            await it.end()


def witnessed(*local: str) -> Mapping[str, Any]:
    """Settings of the scheduler, with witnesses for what is local."""
    connectivity = {"local": {"targets": list(local)}}
    return {**SETTINGS["spec"]["scheduler"], "connectivity": connectivity}


async def link_goes_down(folder: Path, there: str) -> None:
    """The cable is out for some seconds; later one target goes away alone."""
    async with stage(folder, scheduler=witnessed(*WITNESSES)) as on:
        for number in range(99):
            await on.apply(f"web-{number}", f"http://192.0.2.{2 + number % 2}:8000/")
        await on.apply("alone", "http://192.0.2.4:8000/")
        await until(on.states, lambda found: [*found.values()] == ["up"] * 100, seconds=30)

        _ip(there, "link", "set", "v", "down")
        began = trio.current_time()
        await until(on.is_blind, bool)
        await until(on.settings, lambda it: condition(it, "ConnectivityOk") == ("False", "Blind"))
        await until(on.states, lambda found: set(found.values()) == {"unknown"}, seconds=30)
        await trio.sleep_until(began + OUTAGE_SECONDS)
        await on.nobody_was_blamed()
        assert await on.sample("kubekuma_checks_total", reason="Blind") >= 100

        _ip(there, "link", "set", "v", "up")
        await until(on.states, lambda found: [*found.values()] == ["up"] * 100, seconds=30)
        await until(on.settings, lambda it: condition(it, "ConnectivityOk")[0] == "True")
        await on.nobody_was_blamed()

        _ip(there, "addr", "del", "192.0.2.4/24", "dev", "v")
        await until(on.states, lambda found: found["alone"] == "down")
        others = {name: state for name, state in (await on.states()).items() if name != "alone"}
        assert set(others.values()) == {"up"}
        assert not await on.is_blind()


async def resolver_goes_away(folder: Path, there: str) -> None:
    """Nobody resolves names any more."""
    del there
    resolvers = {"dns": {"resolvers": [{"address": "192.0.2.3"}], "timeoutSeconds": 1}}
    scheduler = witnessed("192.0.2.2:8000", "192.0.2.3:53")
    async with stage(folder, scheduler=scheduler, networking=resolvers) as on:
        patient = {"intervalSeconds": 4, "timeoutSeconds": 3}
        for number in range(10):
            await on.apply(f"name-{number}", "http://web.example:8000/", **patient)
            await on.apply(f"address-{number}", "http://192.0.2.2:8000/")
        await until(on.states, lambda found: [*found.values()] == ["up"] * 20)
        sys.stdout.write("resolving\n")
        sys.stdout.flush()
        assert await trio.to_thread.run_sync(sys.stdin.readline) == "gone\n"
        wanted = {"name": {"unknown"}, "address": {"up"}}
        await until(on.states, lambda found: _by_kind(found) == wanted, seconds=30)
        await on.nobody_was_blamed()
        assert not await on.is_blind()


async def descriptors_run_out(folder: Path, url: str) -> None:
    """A thousand monitors of slow answers, where a hundred sockets may be open."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    async with stage(folder) as on:
        for number in range(1000):
            await on.apply(f"web-{number}", url, intervalSeconds=10, timeoutSeconds=8)

        async def passed() -> float:
            return await on.sample("kubekuma_checks_total", result="passed")

        await until(passed, lambda count: count >= 600, seconds=90)
        assert await on.sample("kubekuma_checks_at_once") == 128
        assert await on.sample("kubekuma_checks_skipped_total") > 0
        await on.nobody_was_blamed()


def _by_kind(states: Mapping[str, str]) -> Mapping[str, set[str]]:
    kinds: dict[str, set[str]] = {}
    for name, state in states.items():
        kinds.setdefault(name.partition("-")[0], set()).add(state)
    return kinds


def _ip(namespace: str, *command: str) -> None:
    subprocess.run(["ip", "-n", namespace, *command], check=True)


SCENARIOS: Final = {
    each.__name__: each for each in (link_goes_down, resolver_goes_away, descriptors_run_out)
}

if __name__ == "__main__":
    trio.run(SCENARIOS[sys.argv[1]], Path(sys.argv[2]), sys.argv[3])
