"""The API over HTTP: who is let in, what paths and parameters mean, how refusals look."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import trio
from support.embedded import (
    NOW,
    client_of,
    decoded,
    embedded_server,
    running_api,
    verbs,
    widget,
)

from kubekuma.standalone.access import Access
from kubekuma.standalone.answers import Answer
from kubekuma.standalone.errors import ApiError
from kubekuma.standalone.http import BODY_LIMIT, HttpApi
from kubekuma.standalone.rbac import Action, User
from kubekuma.standalone.requests import APPLY, JSON_PATCH, MERGE_PATCH, STRATEGIC, Request
from kubekuma.standalone.routes import Routes
from kubekuma.standalone.store import StoreError
from kubekuma.standalone.users import OWNER, Users

WIDGETS = "/apis/example.org/v1/namespaces/default/widgets"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with embedded_server(tmp_path) as endpoint, client_of(endpoint) as session:
        yield session


async def create(client: httpx.AsyncClient, name: str, **spec: Any) -> dict[str, Any]:
    answer = await client.post(WIDGETS, json=widget(name, **spec))
    assert answer.status_code == 201, answer.text
    value: dict[str, Any] = answer.json()
    return value


async def lines(client: httpx.AsyncClient, **parameters: Any) -> list[dict[str, Any]]:
    """The events of a watch that ends by itself."""
    with trio.fail_after(10):
        async with client.stream("GET", WIDGETS, params={"watch": "true", **parameters}) as answer:
            assert answer.status_code == 200
            body = await answer.aread()
    return [json.loads(line) for line in body.split(b"\n") if line]


async def test_a_wrong_token_is_no_token(client: httpx.AsyncClient) -> None:
    for given in ("Bearer wrong", client.headers["authorization"] + "x", "Bearer \xff"):
        answer = await client.get(WIDGETS, headers={b"authorization": given.encode("latin-1")})
        assert answer.status_code == 401
        assert answer.json()["reason"] == "Unauthorized"
        assert answer.json()["kind"] == "Status"


async def test_who_has_no_token_is_nobody(client: httpx.AsyncClient) -> None:
    answer = await client.get(WIDGETS, headers={"authorization": ""})
    assert answer.status_code == 403
    assert 'User "system:anonymous" cannot list resource "widgets"' in answer.json()["message"]
    answer = await client.get("/version", headers={"authorization": ""})
    assert answer.json()["major"] == "1"
    for path in ("/livez", "/readyz", "/healthz"):
        answer = await client.get(path, headers={"authorization": ""})
        assert (answer.status_code, answer.text) == (200, "ok")


@pytest.mark.parametrize(
    ("method", "path", "code", "reason"),
    [
        ("GET", f"{WIDGETS}/a/scale", 404, "NotFound"),
        ("GET", f"{WIDGETS}/nope", 404, "NotFound"),
        ("POST", "/version", 405, "MethodNotAllowed"),
        ("POST", f"{WIDGETS}/a", 405, "MethodNotAllowed"),
        ("PUT", WIDGETS, 400, "BadRequest"),
        ("DELETE", "/api/v1/namespaces", 405, "MethodNotAllowed"),
        ("GET", f"{WIDGETS}?limit=x", 400, "BadRequest"),
        ("GET", f"{WIDGETS}?resourceVersion=x", 400, "BadRequest"),
        ("GET", f"{WIDGETS}?resourceVersion=99999", 504, "Timeout"),
        ("GET", f"{WIDGETS}?resourceVersionMatch=Exact", 422, "Invalid"),
        ("GET", f"{WIDGETS}?continue=x", 400, "BadRequest"),
        ("GET", f"{WIDGETS}?labelSelector=a+b", 400, "BadRequest"),
        ("GET", f"{WIDGETS}?watch=true&labelSelector=a+b", 400, "BadRequest"),
        ("GET", f"{WIDGETS}?fieldSelector=spec.size=1", 400, "BadRequest"),
        ("POST", f"{WIDGETS}?dryRun=Some", 422, "Invalid"),
        ("POST", f"{WIDGETS}?fieldValidation=Maybe", 422, "Invalid"),
    ],
)
async def test_refuses(
    client: httpx.AsyncClient, method: str, path: str, code: int, reason: str
) -> None:
    body = widget("b") if method == "POST" else None
    answer = await client.request(method, path, json=body)
    assert (answer.status_code, answer.json()["reason"]) == (code, reason), answer.text
    assert answer.json()["code"] == code


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nowhere"),
        ("GET", "/apis/example.org/v1/gadgets"),
        ("GET", "/apis/example.org/v9/widgets"),
        ("GET", "/apis/nowhere.org"),
        ("GET", "/apis/example.org/v1/widgets/a"),
        ("GET", "/api/v1/namespaces/default/namespaces"),
        ("POST", "/apis/example.org/v1/widgets"),
        ("DELETE", "/apis/example.org/v1/widgets"),
    ],
)
async def test_where_nothing_is_served_there_is_no_status(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    answer = await client.request(method, path, json=widget("b") if method == "POST" else None)
    assert (answer.status_code, answer.text) == (404, "404 page not found")


async def test_bodies_that_cannot_be_read_are_refused(client: httpx.AsyncClient) -> None:
    for body, kind, code in (
        (b"{", "application/json", 400),
        (b'{"size": NaN}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"[]", "application/json", 400),
        (b"a: [", "application/yaml", 400),
        (b"", "application/json", 400),
        (b"x", "application/vnd.kubernetes.protobuf", 400),
        (b"x", "text/plain", 415),
        (b"x" * (BODY_LIMIT + 1), "application/json", 413),
    ):
        answer = await client.post(WIDGETS, content=body, headers={"content-type": kind})
        assert answer.status_code == code, answer.text
    await create(client, "a")
    for body, kind, code in (
        (b"[]", STRATEGIC, 415),
        (b"{}", "application/json", 415),
        (b"[]", MERGE_PATCH, 400),
        (b"{}", JSON_PATCH, 400),
        (b'[{"op":"test","path":"/spec/size","value":9}]', JSON_PATCH, 422),
        (b'[{"op":"remove","path":"/nope"}]', JSON_PATCH, 422),
        (b"spec: {}", APPLY, 422),
    ):
        answer = await client.patch(f"{WIDGETS}/a", content=body, headers={"content-type": kind})
        assert answer.status_code == code, answer.text
    answer = await client.patch(
        f"{WIDGETS}/a?force=true", json={}, headers={"content-type": MERGE_PATCH}
    )
    assert "may not be specified for non-apply patch" in answer.json()["message"]


async def test_warnings_come_as_headers(client: httpx.AsyncClient) -> None:
    body = {**widget("a"), "spec": {"size": 1, 'quo"te': 2}}
    answer = await client.post(WIDGETS, json=body)
    assert answer.headers["warning"] == r'299 - "unknown field \"spec.quo\"te\""'
    answer = await client.post(
        WIDGETS, json=body | {"metadata": {"name": "b"}}, params={"fieldValidation": "Ignore"}
    )
    assert "warning" not in answer.headers
    twice = json.dumps(widget("c")).replace('"size": 1', '"size": 1, "size": 2')
    answer = await client.post(WIDGETS, content=twice, params={"fieldValidation": "Strict"})
    assert 'duplicate field "size"' in answer.json()["message"]


async def test_the_manager_is_named_by_the_request_or_by_the_client(
    client: httpx.AsyncClient,
) -> None:
    made = await client.post(WIDGETS, json=widget("a"), headers={"user-agent": "robot/1.0 (x)"})
    assert made.json()["metadata"]["managedFields"][0]["manager"] == "robot"
    made = await client.post(WIDGETS, json=widget("b"), params={"fieldManager": "me"})
    assert made.json()["metadata"]["managedFields"][0]["manager"] == "me"


async def test_pages_show_one_moment(client: httpx.AsyncClient) -> None:
    for name in "abcde":
        await create(client, name)
    seen: list[str] = []
    parameters: dict[str, Any] = {"limit": 2}
    remaining = []
    while True:
        page = (await client.get(WIDGETS, params=parameters)).json()
        assert page["kind"] == "WidgetList"
        seen += [each["metadata"]["name"] for each in page["items"]]
        remaining.append(page["metadata"].get("remainingItemCount"))
        if not (token := page["metadata"].get("continue")):
            break
        parameters["continue"] = token
        await client.delete(f"{WIDGETS}/e")
        await create(client, f"c{len(seen)}")
    assert seen == list("abcde")
    assert remaining == [3, 1, None]


async def test_an_old_page_is_gone(tmp_path: Path) -> None:
    async with running_api(tmp_path, window=3) as api:
        routes = Routes(api, Access(api.store), lambda: NOW)

        async def listed(**query: str) -> dict[str, Any]:
            request = Request(user=OWNER, method="GET", path=WIDGETS, query=query, headers={})
            answer = await routes.answer(request)
            assert isinstance(answer, Answer)
            return decoded(answer.body)

        first = await verbs(api).create(widget("a"))
        await verbs(api).create(widget("b"))
        token = (await listed(limit="1"))["metadata"]["continue"]
        for name in "cdef":
            await verbs(api).create(widget(name))
        revision = first["metadata"]["resourceVersion"]
        for query in (
            {"limit": "1", "continue": token},
            {"resourceVersion": revision, "resourceVersionMatch": "Exact"},
        ):
            with pytest.raises(ApiError) as refused:
                await listed(**query)
            assert (refused.value.code, refused.value.reason) == (410, "Expired")


async def test_a_list_can_be_of_an_exact_moment(client: httpx.AsyncClient) -> None:
    first = await create(client, "a")
    await create(client, "b")
    at = {"resourceVersion": first["metadata"]["resourceVersion"]}
    exact = await client.get(WIDGETS, params={**at, "resourceVersionMatch": "Exact"})
    assert [each["metadata"]["name"] for each in exact.json()["items"]] == ["a"]
    newer = await client.get(WIDGETS, params={**at, "resourceVersionMatch": "NotOlderThan"})
    assert len(newer.json()["items"]) == 2


async def test_watches_end_in_time_with_a_bookmark(client: httpx.AsyncClient) -> None:
    made = await create(client, "a")
    options = {"timeoutSeconds": 1, "allowWatchBookmarks": "true"}
    added, mark = await lines(client, **options)
    assert added == {"type": "ADDED", "object": made}
    assert mark["type"] == "BOOKMARK"
    assert mark["object"]["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    options |= {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
    events = await lines(client, **options)
    assert [each["type"] for each in events] == ["ADDED", "BOOKMARK", "BOOKMARK"]
    assert "annotations" in events[1]["object"]["metadata"]
    without = {"sendInitialEvents": "false", "resourceVersionMatch": "NotOlderThan"}
    events = await lines(client, timeoutSeconds=1, **without)
    assert events == []


async def test_tables_hold_as_much_of_the_objects_as_is_asked_for(
    client: httpx.AsyncClient,
) -> None:
    await create(client, "a", size=7)
    for include, kind in (("Object", "Widget"), ("Metadata", "PartialObjectMetadata")):
        answer = await client.get(
            WIDGETS, headers={"accept": TABLE}, params={"includeObject": include}
        )
        (row,) = answer.json()["rows"]
        assert row["cells"][:2] == ["a", 7]
        assert row["object"]["kind"] == kind
    one = await client.get(
        f"{WIDGETS}/a", headers={"accept": TABLE}, params={"includeObject": "None"}
    )
    assert one.json()["kind"] == "Table"
    assert one.json()["rows"][0]["object"] is None
    refused = await client.get(WIDGETS, headers={"accept": "application/cbor"})
    assert refused.status_code == 406


async def test_deletions_say_what_is_gone(client: httpx.AsyncClient) -> None:
    made = await create(client, "a")
    answer = await client.request(
        "DELETE", f"{WIDGETS}/a", json={"preconditions": {"uid": "other"}}
    )
    assert answer.status_code == 409
    answer = await client.request("DELETE", f"{WIDGETS}/a", json={"dryRun": ["All"]})
    assert answer.json()["status"] == "Success"
    answer = await client.delete(f"{WIDGETS}/a")
    assert answer.json()["details"]["uid"] == made["metadata"]["uid"]
    for name in "abc":
        await create(client, name)
    answer = await client.delete(WIDGETS, params={"fieldSelector": "metadata.name!=b"})
    assert [each["metadata"]["name"] for each in answer.json()["items"]] == ["a", "c"]
    left = (await client.get(WIDGETS)).json()["items"]
    assert [each["metadata"]["name"] for each in left] == ["b"]


async def test_discovery_comes_in_both_forms(client: httpx.AsyncClient) -> None:
    aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    answer = await client.get("/apis", headers={"accept": f"{aggregated},application/json"})
    assert answer.headers["content-type"] == aggregated
    groups = {each["metadata"]["name"]: each for each in answer.json()["items"]}
    (resource,) = groups["example.org"]["versions"][0]["resources"]
    assert resource["shortNames"] == ["wd"]
    assert resource["subresources"][0]["subresource"] == "status"
    # An older form of it is not offered: what looks like one would be taken for empty.
    older = aggregated.replace("v=v2", "v=v2beta1")
    answer = await client.get("/apis", headers={"accept": f"{older},application/json"})
    assert answer.json()["kind"] == "APIGroupList"
    assert (await client.get("/api")).json()["versions"] == ["v1"]
    legacy = (await client.get("/apis/example.org/v1")).json()
    assert [each["name"] for each in legacy["resources"]] == ["widgets", "widgets/status"]
    assert (await client.get("/apis/example.org")).json()["preferredVersion"]["version"] == "v1"


async def test_documents_are_found_by_their_hash(client: httpx.AsyncClient) -> None:
    index = (await client.get("/openapi/v3")).json()["paths"]
    url = index["apis/example.org/v1"]["serverRelativeURL"]
    document = (await client.get(url)).json()
    patch = document["paths"][f"{WIDGETS.replace('default', '{namespace}')}/{{name}}"]["patch"]
    assert "fieldValidation" in [each["name"] for each in patch["parameters"]]
    assert document["components"]["schemas"]["org.example.v1.Widget"]["description"]
    again = (await client.get("/openapi/v3")).json()["paths"]
    assert again["apis/example.org/v1"]["serverRelativeURL"] == url
    assert (await client.get("/openapi/v3/apis/nowhere/v1")).status_code == 404
    assert (await client.get("/openapi/v2")).content == b"\x0a\x032.0"


async def test_a_next_line_character_stays_within_its_line(client: httpx.AsyncClient) -> None:
    body = widget("a", note="one\x85two\u2028three")
    made = (await client.post(WIDGETS, json=body)).json()
    assert made["spec"]["note"] == "one\x85two\u2028three"
    (event,) = await lines(client, timeoutSeconds=1)
    assert event["object"] == made


class _Anything:
    """Allows it."""

    def require(self, user: User, action: Action) -> None:
        pass

    def impersonated(self, user: User, name: str, groups: list[str]) -> User:
        return User(name=name, groups=tuple(groups)) if name else user


def broken_api(error: Exception) -> HttpApi:
    """The application, with routes that fail."""
    return HttpApi(cast("Routes", _Broken(error)), Users("t"), cast("Access", _Anything()))


class _Broken:
    """Routes that fail."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def answer(self, request: Request) -> Answer:
        await trio.lowlevel.checkpoint()
        del request
        raise self.error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (StoreError("disk full"), "the object could not be stored: disk full"),
        (KeyError("a secret"), "see the log"),
    ],
)
async def test_our_own_failures_are_internal_errors_that_tell_no_secrets(
    error: Exception, words: str
) -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        return {"type": "http.request", "body": b""}

    async def send(message: dict[str, Any]) -> None:
        await trio.lowlevel.checkpoint()
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/api",
        "query_string": b"",
        "headers": [(b"authorization", b"Bearer t")],
    }
    await broken_api(error)(scope, receive, send)
    head, body = sent
    assert head["status"] == 500
    said = decoded(body["body"])
    assert (said["reason"], said["message"]) == (
        "InternalError",
        f"Internal error occurred: {words}",
    )


async def test_a_client_that_leaves_in_the_middle_of_its_request_is_not_answered() -> None:
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": b"{", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        return messages.pop(0)

    async def send(message: dict[str, Any]) -> None:
        pytest.fail(f"sent {message}")

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api",
        "query_string": b"",
        "headers": [(b"authorization", b"Bearer t")],
    }
    await broken_api(KeyError())(scope, receive, send)
