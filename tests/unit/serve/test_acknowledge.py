"""The link in a message: looking changes nothing, and the form says who sees to it."""

from datetime import timedelta
from typing import Any

import attrs
import pytest
from build import WEB, at

from kubekuma.model.state import Acknowledgement
from kubekuma.record.incidents import Incident
from kubekuma.serve.acknowledge import acknowledge_routes
from kubekuma.serve.server import build_app
from kubekuma.validate.rule import FieldError, Refused

LINK = "/acknowledge/good"


def outage(**more: Any) -> Incident:
    fields: dict[str, Any] = {
        "id": "i1",
        "key": WEB,
        "started_at": at(0),
        "confirmed_at": at(40),
        "ended_at": None,
        "reason": "StatusMismatch",
        "message": "<b>the status</b> is 500",
        "cause": None,
        "acknowledgement": None,
    }
    return Incident(**{**fields, **more})


@attrs.define
class Outages:
    found: Incident = attrs.field(factory=outage)
    refused: tuple[FieldError, ...] = ()
    acts: list[tuple[str, str, timedelta | None]] = attrs.field(factory=list)

    async def find(self, token: str) -> Incident | None:
        return self.found if token == "good" else None

    async def acknowledge(
        self, found: Incident, by: str, note: str, length: timedelta | None, source: str
    ) -> Incident | Refused | None:
        assert source
        if self.refused:
            return Refused(self.refused)
        self.acts.append((by, note, length))
        given = Acknowledgement(at=at(60), by=by, note=note)
        return attrs.evolve(found, acknowledgement=given)


def client(outages: Outages, why: str | None = None) -> Any:
    return build_app([acknowledge_routes(lambda: outages, lambda: why, lambda: 0.0)]).test_client()


async def test_whoever_looks_sees_the_outage_and_changes_nothing() -> None:
    outages = Outages()
    answer = await client(outages).get(LINK)
    text = await answer.get_data(as_text=True)
    assert answer.status_code == 200
    assert "<h1>shop/web is down</h1>" in text
    # What a target said is never markup.
    assert "StatusMismatch: &lt;b&gt;the status&lt;/b&gt; is 500" in text
    assert '<form method="post">' in text
    assert "script" not in answer.headers["Content-Security-Policy"]
    assert outages.acts == []


async def test_the_form_says_who_and_for_how_long() -> None:
    outages = Outages()
    form = {"by": " ada ", "note": "on it", "hours": "4"}
    answer = await client(outages).post(LINK, form=form)
    text = await answer.get_data(as_text=True)
    assert outages.acts == [("ada", "on it", timedelta(hours=4))]
    assert "ada sees to it: on it" in text
    assert "<form" not in text
    await client(outages).post(LINK, form={"by": "bob"})
    assert outages.acts[1:] == [("bob", "", None)]


async def test_what_is_wrong_is_said_and_what_was_typed_stays() -> None:
    outages = Outages(refused=(FieldError("by", "must be 1 to 128 characters"),))
    answer = await client(outages).post(LINK, form={"by": "", "note": '"x"'})
    text = await answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert "by must be 1 to 128 characters" in text
    assert "&#34;x&#34;</textarea>" in text


async def test_of_an_outage_that_is_over_there_is_nothing_to_see_to() -> None:
    answer = await client(Outages(outage(ended_at=at(600)))).get(LINK)
    text = await answer.get_data(as_text=True)
    assert "shop/web was down" in text
    assert "<form" not in text


async def test_who_sees_to_it_is_shown() -> None:
    given = Acknowledgement(at=at(60), by="ada")
    text = await (await client(Outages(outage(acknowledgement=given))).get(LINK)).get_data(
        as_text=True
    )
    assert "ada sees to it" in text
    assert "<form" in text


@pytest.mark.parametrize(
    ("link", "form", "status"),
    [
        ("/acknowledge/bad", None, 404),
        ("/acknowledge/bad", {"by": "ada"}, 404),
        (LINK, {"by": "ada", "hours": "1000"}, 400),
    ],
)
async def test_what_is_asked_wrongly_is_refused(link: str, form: Any, status: int) -> None:
    outages = Outages()
    it = client(outages)
    answer = await (it.get(link) if form is None else it.post(link, form=form))
    assert answer.status_code == status
    assert outages.acts == []


async def test_whoever_guesses_is_slowed_down() -> None:
    it = client(Outages())
    for _ in range(20):
        assert (await it.get("/acknowledge/guess")).status_code == 404
    assert (await it.get("/acknowledge/guess")).status_code == 429
    assert (await it.get(LINK)).status_code == 200


async def test_on_standby_another_process_is_to_be_asked() -> None:
    answer = await client(Outages(), "it waits for the Lease").get(LINK)
    assert answer.status_code == 503
