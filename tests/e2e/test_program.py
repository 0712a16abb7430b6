"""The whole program beside the embedded API: what a person applies, and what then can be seen."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import httpx
import trio
from build import document
from prometheus_client.parser import text_string_to_metric_families
from support.embedded import client_of, embedded_server

from kubekuma.app import Config, run_program
from kubekuma.model.kinds import KINDS
from kubekuma.model.schema import crd

CRDS = [crd(kind) for kind in KINDS]
ROOT = "/apis/monitoring.kubekuma.io/v1"
SETTINGS = {
    "apiVersion": "monitoring.kubekuma.io/v1",
    "kind": "KubeKumaSettings",
    "metadata": {"name": "kubekuma"},
    "spec": {
        "scheduler": {"minIntervalSeconds": 1},
        "networking": {"targets": {"allowCidrs": ["127.0.0.0/8"]}},
    },
}


class Door:
    """A web server that answers as it is told to, or not at all."""

    def __init__(self) -> None:
        self.status = 200
        self.stalls = False
        self.asked = 0
        self.url = ""

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/"
        await trio.serve_listeners(self.answer, listeners, task_status=task_status)  # type: ignore[arg-type]

    async def answer(self, stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            self.asked += 1
            if self.stalls:
                await trio.sleep_forever()
            head = f"HTTP/1.1 {self.status} .\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            await stream.send_all(head.encode())


@attrs.frozen(kw_only=True)
class House:
    """The program, its API and a door to check."""

    api: httpx.AsyncClient
    web: httpx.AsyncClient
    door: Door

    async def apply(self, name: str = "web", /, **spec: Any) -> httpx.Response:
        """Apply a Monitor of the door."""
        body = document(
            name,
            "shop",
            **{
                "schedule": {"intervalSeconds": 1},
                "target": {"http": {"url": self.door.url}},
                **spec,
            },
        )
        body["metadata"] = {"name": name, "namespace": "shop"}
        return await self.api.patch(
            f"{ROOT}/namespaces/shop/monitors/{name}",
            params={"fieldManager": "test", "force": "true"},
            headers={"Content-Type": "application/apply-patch+yaml"},
            json=body,
        )

    async def seen(self, name: str = "web") -> dict[str, Any]:
        """The monitor as REST shows it; empty if it does not."""
        answer = await self.web.get(f"/api/v1/monitors/shop/{name}")
        found: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
        return found

    async def status(self, name: str = "web") -> dict[str, Any]:
        """The monitor's status in the cluster."""
        answer = await self.api.get(f"{ROOT}/namespaces/shop/monitors/{name}")
        found: dict[str, Any] = answer.json().get("status", {})
        return found

    async def until_state(self, state: str, name: str = "web") -> dict[str, Any]:
        """Wait for a state."""

        async def is_so() -> bool:
            return (await self.seen(name)).get("state") == state

        await until(is_so)
        return await self.seen(name)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Return once ``holds`` says yes; fail if it takes too long."""
    with trio.fail_after(10):
        while not await holds():  # noqa: ASYNC110 (what is waited for tells nobody)
            await trio.sleep(0.05)


def conditions(status: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    return {each["type"]: (each["status"], each["reason"]) for each in status["conditions"]}


@asynccontextmanager
async def running(tmp_path: Path, kubeconfig: Path) -> AsyncIterator[httpx.AsyncClient]:
    """The program, until the end of the block; then it must end by itself."""
    stop = trio.Event()
    config = Config(database=tmp_path / "history.db", kubeconfig=kubeconfig, listen="127.0.0.1:0")
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            url = await nursery.start(partial(run_program, config, stop=stop))
            async with httpx.AsyncClient(base_url=url, trust_env=False) as web:
                yield web
                stop.set()


@asynccontextmanager
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with api_in(tmp_path) as endpoint, client_of(endpoint) as api, a_door() as door:
        await api.post(f"{ROOT}/kubekumasettings", json=SETTINGS)
        async with running(tmp_path, endpoint.kubeconfig) as web:
            yield House(api=api, web=web, door=door)


def api_in(tmp_path: Path) -> Any:
    return embedded_server(tmp_path, CRDS, namespaces=("shop",))


@asynccontextmanager
async def a_door() -> AsyncIterator[Door]:
    door = Door()
    async with trio.open_nursery() as nursery:
        await nursery.start(door.serve)
        yield door
        nursery.cancel_scope.cancel()


async def test_from_a_manifest_to_status_rest_metrics_and_events(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        await home.apply()
        seen = await home.until_state("up")
        assert seen["lastHeartbeat"]["statusCode"] == 200

        async def is_written() -> bool:
            return (await home.status()).get("state") == "up"

        await until(is_written)
        status = await home.status()
        assert conditions(status) == {
            "Valid": ("True", "Valid"),
            "Reconciled": ("True", "Scheduled"),
            "Ready": ("True", "Scheduled"),
            "Up": ("True", "Passed"),
        }
        text = (await home.web.get("/metrics")).text
        ups = [
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "kubekuma_monitor_up" and sample.labels["name"] == "web"
        ]
        assert ups == [1.0]

        async def is_told() -> bool:
            found = await home.api.get("/apis/events.k8s.io/v1/namespaces/shop/events")
            return any(each["reason"] == "Up" for each in found.json()["items"])

        await until(is_told)


async def test_an_outage_is_one_incident_from_its_first_failure_to_its_first_success(
    tmp_path: Path,
) -> None:
    async with house(tmp_path) as home:
        await home.apply()
        await home.until_state("up")
        home.door.status = 503
        down = await home.until_state("down")
        assert down["lastHeartbeat"]["reason"] == "StatusMismatch"
        home.door.status = 200
        await home.until_state("up")

        async def is_written() -> bool:
            return any(each["endedAt"] for each in (await home.seen())["incidents"])

        await until(is_written)
        up = await home.seen()
        (incident,) = up["incidents"]
        assert incident["id"] == down["incident"]
        assert incident["endedAt"] > incident["startedAt"]
        assert float(up["uptime"]["1h"]) < 100


async def test_a_paused_monitor_is_checked_no_more_and_keeps_its_history(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        await home.apply()
        await home.until_state("up")
        await home.apply(enabled=False)
        await home.until_state("paused")
        asked = home.door.asked

        async def is_kept() -> bool:
            heartbeats = await home.web.get("/api/v1/monitors/shop/web/heartbeats")
            return bool(heartbeats.json()["items"])

        await until(is_kept)
        await home.apply(enabled=True)
        await home.until_state("up")
        assert home.door.asked > asked


async def test_a_deleted_monitor_is_gone_everywhere(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        await home.apply()
        await home.until_state("up")
        await home.api.delete(f"{ROOT}/namespaces/shop/monitors/web")

        async def is_gone() -> bool:
            return not await home.seen()

        await until(is_gone)
        assert 'name="web"' not in (await home.web.get("/metrics")).text


async def test_an_invalid_edit_leaves_the_last_valid_generation_running(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        await home.apply()
        await home.until_state("up")
        # The schema allows it; our own rules do not.
        await home.apply(successCriteria={"http": {"acceptedStatusCodes": ["299-200"]}})

        async def is_told() -> bool:
            found = conditions(await home.status())
            return found.get("Reconciled", ("", ""))[1] == "RunningGeneration"

        await until(is_told)
        assert conditions(await home.status())["Ready"] == ("False", "InvalidSpec")
        asked = home.door.asked

        async def goes_on() -> bool:
            await trio.lowlevel.checkpoint()
            return home.door.asked > asked + 1

        await until(goes_on)
        seen = await home.seen()
        assert (seen["state"], seen["valid"]) == ("up", False)


async def test_what_has_no_checker_yet_says_so(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        await home.apply(type="dns", target={"dns": {"name": "example.org"}})

        async def is_told() -> bool:
            status = await home.status()
            return bool(status) and conditions(status)["Ready"] == ("False", "CheckerUnavailable")

        await until(is_told)


async def test_a_missing_secret_blames_nobody(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        ref = {"name": "keys", "key": "token"}
        http = {"url": home.door.url, "headers": [{"name": "X-Key", "valueFromSecretRef": ref}]}
        await home.apply(target={"http": http})

        async def is_told() -> bool:
            last = (await home.seen()).get("lastHeartbeat") or {}
            return last.get("reason") == "SecretMissing"

        await until(is_told)
        assert (await home.seen())["lastHeartbeat"]["outcome"] == "unknown"
        assert home.door.asked == 0


async def test_checks_go_on_while_the_api_server_is_away(tmp_path: Path) -> None:
    async with a_door() as door:
        async with api_in(tmp_path) as endpoint:
            async with client_of(endpoint) as api:
                await api.post(f"{ROOT}/kubekumasettings", json=SETTINGS)
                async with running(tmp_path, endpoint.kubeconfig) as web:
                    home = House(api=api, web=web, door=door)
                    await home.apply()
                    await home.until_state("up")
            kubeconfig = endpoint.kubeconfig
        # Nobody listens there any more, and the next start knows what it knew last.
        asked = door.asked
        async with running(tmp_path, kubeconfig) as web:
            home = House(api=api, web=web, door=door)
            assert (await home.seen())["state"] == "up"
            ready = await web.get("/ready")
            assert ready.status_code == 503
            assert "Monitor" in ready.json()["waits"]
            door.status = 503
            await home.until_state("down")
        assert door.asked > asked


async def test_an_outage_survives_a_restart(tmp_path: Path) -> None:
    async with a_door() as door, api_in(tmp_path) as endpoint, client_of(endpoint) as api:
        await api.post(f"{ROOT}/kubekumasettings", json=SETTINGS)
        door.status = 503
        async with running(tmp_path, endpoint.kubeconfig) as web:
            home = House(api=api, web=web, door=door)
            await home.apply()
            before = await home.until_state("down")
        async with running(tmp_path, endpoint.kubeconfig) as web:
            home = House(api=api, web=web, door=door)
            after = await home.until_state("down")
            assert after["incident"] == before["incident"]
            door.status = 200
            await home.until_state("up")

            async def is_ended() -> bool:
                (incident,) = (await home.seen())["incidents"]
                return incident["id"] == before["incident"] and bool(incident["endedAt"])

            await until(is_ended)


async def test_what_a_stop_cuts_off_is_recorded_as_nothing(tmp_path: Path) -> None:
    async with a_door() as door, api_in(tmp_path) as endpoint, client_of(endpoint) as api:
        await api.post(f"{ROOT}/kubekumasettings", json=SETTINGS)
        async with running(tmp_path, endpoint.kubeconfig) as web:
            home = House(api=api, web=web, door=door)
            await home.apply(schedule={"intervalSeconds": 60, "timeoutSeconds": 30})
            await home.until_state("up")
            door.stalls = True
            asked = door.asked
            await home.apply(
                schedule={"intervalSeconds": 60, "timeoutSeconds": 30}, description="look again"
            )

            async def is_asked() -> bool:
                await trio.lowlevel.checkpoint()
                return door.asked > asked

            await until(is_asked)
        door.stalls = False
        async with running(tmp_path, endpoint.kubeconfig) as web:
            found = await web.get("/api/v1/monitors/shop/web/heartbeats")
            assert {each["outcome"] for each in found.json()["items"]} == {"passed"}
            assert (await House(api=api, web=web, door=door).seen())["state"] == "up"
