"""Whatever Apprise knows, shown by the one of its services that is plain JSON."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from build import at
from support.program import GROUP, cluster, condition, monitor, program, started, state_is, until
from support.receiver import Receiver, receiving

from kubekuma.deliver import available
from kubekuma.deliver.request import Secret
from kubekuma.deliver.send import NotSent, Taken
from kubekuma.deliver.tell import Teller
from kubekuma.model.alert import Message
from kubekuma.model.meta import API_VERSION, Key
from kubekuma.model.monitor import AlertSeverity
from kubekuma.model.policy import Happening
from kubekuma.model.provider import ProviderSpec
from kubekuma.validate.decode import decoded

# Modules of the standard library that one of Apprise's many plugins imports.
pytestmark = pytest.mark.filterwarnings("ignore:.* is deprecated and slated:DeprecationWarning")

CANARY = "c4nary"
REF = {"name": "apprise", "key": "urls"}
SPEC: dict[str, Any] = {"type": "apprise", "config": {"apprise": {"urlsSecretRef": REF}}}


def message(**more: Any) -> Message:
    fields: dict[str, Any] = {
        "id": "m1",
        "key": "i1",
        "happening": Happening.DOWN,
        "monitor": Key("shop", "web"),
        "name": "web",
        "severity": AlertSeverity.CRITICAL,
        "title": "web is down",
        "text": "it says <b>@everyone</b>\\n",
        "since": at(0),
        "links": {"Runbook": "https://wiki.example.org/"},
    }
    return Message(**{**fields, **more})


def url(receiver: Receiver, more: str = "") -> str:
    return f"json://u:{CANARY}@127.0.0.1:{receiver.port}/hook{more}"


async def tell(urls: str, **more: Any) -> Taken:
    teller = Teller(partial(at, 0))
    secret: Secret = lambda _: urls  # noqa: E731
    try:
        return await teller.tell(decoded(SPEC, ProviderSpec), message(**more), secret)
    finally:
        await teller.aclose()


async def test_every_service_that_the_secret_names_is_told(nursery: trio.Nursery) -> None:
    first, second = await receiving(nursery), await receiving(nursery)
    taken = await tell(f"{url(first)}\n\n{url(second)}\n")
    assert taken.said == "taken by JSON, JSON"
    for receiver in (first, second):
        (got,) = receiver.got
        assert (got["title"], got["type"]) == ("web is down", "failure")
        # It is text: nobody is called by it, and nothing in it is looked at again.
        calls_nobody = "it says <b>@\N{ZERO WIDTH SPACE}everyone</b>\\n\n"
        assert got["message"] == f"{calls_nobody}Runbook: https://wiki.example.org/"
    await tell(url(first), happening=Happening.UP)
    await tell(url(first), severity=AlertSeverity.WARNING)
    assert [each["type"] for each in first.got[1:]] == ["success", "warning"]


async def test_what_is_not_taken_is_told_without_any_url(
    nursery: trio.Nursery, capfd: pytest.CaptureFixture[str]
) -> None:
    well, ill = await receiving(nursery), await receiving(nursery)
    ill.always = "500 Oops"
    cases: Sequence[tuple[str, str, bool]] = (
        (url(ill), "not taken by JSON", False),
        # Who has it already is not told again for the sake of others.
        (f"{url(well)}\n{url(ill)}", "not taken by JSON", True),
        (f"{url(well)}\nnonsense://{CANARY}", "line 2 of its Secret is no Apprise URL", True),
        (" \n", "its Secret has no Apprise URL", True),
        (f"json://u:{CANARY}@127.0.0.1:1/", "not taken by JSON", False),
    )
    for urls, said, lasting in cases:
        with pytest.raises(NotSent) as raised:
            await tell(urls)
        assert (raised.value.said, raised.value.lasting) == (said, lasting)
    assert len(well.got) == 1
    assert CANARY not in "".join(capfd.readouterr())


async def test_one_that_never_answers_is_left_behind(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubekuma.deliver.apprise.SECONDS", 0.2)
    mute = await receiving(nursery)
    mute.silent = True
    with pytest.raises(NotSent, match="Apprise does not end within 0 s"):
        await tell(url(mute, "?rto=1"))


async def test_where_it_is_not_installed_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(NotSent, match=r'pip install "kubekuma\[apprise\]"'):
        await tell("json://127.0.0.1:1/")


@pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning")
async def test_in_the_running_program_it_tells_or_says_why_it_cannot(
    nursery: trio.Nursery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, receiver = await started(nursery), await receiving(nursery)
    where = {"name": "all", "namespace": "shop"}
    provider = {"apiVersion": API_VERSION, "kind": "NotificationProvider", "metadata": where}
    path = f"{GROUP}/namespaces/shop/notificationproviders/all"

    async def told() -> Sequence[Any]:
        await trio.lowlevel.checkpoint()
        return receiver.got

    async with cluster(tmp_path) as api:
        await api.secret("apprise", urls=url(receiver))
        await api.apply({**provider, "spec": {**SPEC, "default": True}})
        async with program(tmp_path) as it:
            await api.apply(monitor(site, alerting={"notifyOn": {"up": False}}))
            await until(api.monitor, state_is("up"))
            site.status = "500 Oops"
            (got,) = await until(told, bool, seconds=30)
            assert got["title"] == "shop/web is down"
            assert await it.end() < 8
        monkeypatch.setattr(available, "_is_installed", lambda _: False)
        async with program(tmp_path) as it:
            seen = await until(
                partial(api.get, path), lambda it: condition(it, "Ready")[0] == "False"
            )
            assert condition(seen, "Reconciled") == ("False", "SenderUnavailable")
            assert available.INSTALL in str(seen["status"])
            assert await it.end() < 8
