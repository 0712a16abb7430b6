"""Alerts in Debian's Alertmanager: they begin, are prolonged, end, and end by themselves."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx
import pytest
import trio
from fakes.targets import secret_ref
from support.daemons import free_ports, installed, running
from support.program import Cluster, cluster, monitor, program, started, state_is, until

from kubekuma.deliver.alertmanager import LASTS, alertmanager
from kubekuma.deliver.send import new_client, send_to_any
from kubekuma.model.alert import Message
from kubekuma.model.meta import API_VERSION, Key
from kubekuma.model.monitor import AlertSeverity
from kubekuma.model.policy import Happening
from kubekuma.model.provider import AlertmanagerConfig
from kubekuma.model.target import BasicAuth

# A request that is cut off leaves its body half read, and trio says so of what httpx forgot.
pytestmark = [
    pytest.mark.servers,
    pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning"),
]

CONFIGURATION = """
route: {receiver: nobody, group_wait: 0s}
receivers: [{name: nobody}]
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    binary = installed("prometheus-alertmanager", "prometheus-alertmanager")
    folder = tmp_path_factory.mktemp("alertmanager")
    (folder / "config.yml").write_text(CONFIGURATION)
    (port,) = free_ports(1)
    command = [
        binary,
        f"--config.file={folder / 'config.yml'}",
        f"--storage.path={folder}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    with running(command, folder, ports=[port]):
        yield f"http://127.0.0.1:{port}"


def message(happening: Happening, now: datetime, **more: Any) -> Message:
    fields: dict[str, Any] = {
        "id": "m1",
        "key": "i1",
        "happening": happening,
        "monitor": Key("shop", "web"),
        "name": "web",
        "severity": AlertSeverity.CRITICAL,
        "title": "web is down",
        "text": "Timeout: slow",
        "since": now,
        "facts": {"runbook-url": "https://wiki.example.org/", "1st": "x"},
        "links": {"Runbook": "https://wiki.example.org/"},
    }
    return Message(**{**fields, **more})


async def alerts(url: str, monitor: str) -> list[dict[str, Any]]:
    async with httpx.AsyncClient(trust_env=False) as http:
        found = (await http.get(f"{url}/api/v2/alerts", params={"active": "true"})).json()
    return [each for each in found if each["labels"]["monitor"] == monitor]


async def test_an_alert_begins_is_prolonged_and_ends(url: str) -> None:
    config = AlertmanagerConfig(urls=("http://127.0.0.1:1/", url))
    began = datetime.now(UTC)

    async def post(happening: Happening, at: datetime, **more: Any) -> None:
        async with new_client() as http:
            told = message(happening, began, **more)
            await send_to_any(alertmanager(config, [told], lambda _: "", at), http)

    await post(Happening.DOWN, began)
    (alert,) = await alerts(url, "web")
    assert alert["labels"] == {
        "alertname": "MonitorDown",
        "namespace": "shop",
        "monitor": "web",
        "severity": "critical",
        "outage": "i1",
    }
    assert alert["annotations"]["runbook_url"] == "https://wiki.example.org/"
    assert alert["annotations"]["_1st"] == "x"
    assert alert["generatorURL"] == "https://wiki.example.org/"
    assert datetime.fromisoformat(alert["endsAt"]) == _whole(began + LASTS)
    later = began + LASTS / 2
    await post(Happening.DOWN, later)
    (alert,) = await alerts(url, "web")
    assert datetime.fromisoformat(alert["endsAt"]) == _whole(later + LASTS)
    await post(Happening.UP, began, until=began)
    await until(partial(alerts, url, "web"), lambda found: found == [])


def _whole(at: datetime) -> datetime:
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def test_who_we_are_is_told_to_every_instance() -> None:
    secrets = {"user": "u", "password": "p"}
    basic = BasicAuth(
        username_secret_ref=secret_ref("user"), password_secret_ref=secret_ref("password")
    )
    config = AlertmanagerConfig(urls=("https://a/", "https://b"), basic_auth=basic)
    now = datetime.now(UTC)
    found = alertmanager(config, [message(Happening.DOWN, now)], lambda ref: secrets[ref.key], now)
    assert [each.url for each in found] == ["https://a/api/v2/alerts", "https://b/api/v2/alerts"]
    expected = base64.b64encode(b"u:p").decode()
    assert {dict(each.headers)["Authorization"] for each in found} == {f"Basic {expected}"}
    (alert,) = json.loads(found[0].body)
    assert alert["startsAt"].endswith("Z")


async def test_in_the_running_program_an_alert_lasts_as_long_as_its_outage(
    nursery: trio.Nursery, tmp_path: Any, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubekuma.telling.REMIND_SECONDS", 0.5)
    monkeypatch.setattr("kubekuma.deliver.alertmanager.LASTS", LASTS / 120)
    site = await started(nursery)

    async def ends_at() -> str:
        found = await alerts(url, "shop")
        return str(found[0]["endsAt"]) if found else ""

    async with cluster(tmp_path) as api, program(tmp_path):
        await _provider(api, url)
        await api.apply(monitor(site, "shop"))
        await until(partial(api.monitor, "shop"), state_is("up"))
        site.status = "500 Oops"
        first = await until(ends_at, bool)
        # It is said again and again that it lasts.
        await until(ends_at, lambda found: bool(found) and found != first)
        site.status = "200 OK"
        await until(ends_at, lambda found: not found)


async def _provider(api: Cluster, url: str) -> None:
    spec = {"type": "alertmanager", "default": True, "config": {"alertmanager": {"urls": [url]}}}
    metadata = {"name": "am", "namespace": "shop"}
    kind = "NotificationProvider"
    await api.apply({"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec})
