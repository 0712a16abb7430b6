"""From requests to answers: which verb of the API a method on a path means."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from kubekuma.standalone.about import About
from kubekuma.standalone.access import Access
from kubekuma.standalone.answers import Answer, Reply, Send, Stream, json_answer
from kubekuma.standalone.api import Api, Written
from kubekuma.standalone.codec import decoded_yaml
from kubekuma.standalone.deletion import Deleted, delete_all
from kubekuma.standalone.errors import (
    bad_request,
    expired,
    method_not_allowed,
    no_such_path,
    no_such_verb,
    not_acceptable,
)
from kubekuma.standalone.feed import Key
from kubekuma.standalone.listing import Page, check_revision, read_page, selector
from kubekuma.standalone.requests import (
    APPLY,
    JSON,
    Place,
    Request,
    decoded_body,
    decoded_patch,
    delete_options,
    listed_revision,
    parsed_path,
    selection,
    write_options,
)
from kubekuma.standalone.resources import NAMESPACES, Object
from kubekuma.standalone.views import Partial, Plain, Tabular, View
from kubekuma.standalone.watch import TIMEOUT_SECONDS, Watch, tell_changes

_ACCESS_REVIEW: Final = "selfsubjectaccessreviews.authorization.k8s.io"
_RULES_REVIEW: Final = "selfsubjectrulesreviews.authorization.k8s.io"
_ACCEPTED: Final = frozenset({"", "*/*", "application/*", JSON})


class Routes:
    """Answers requests. Refuses by raising ApiError."""

    def __init__(self, api: Api, access: Access, now: Callable[[], datetime]) -> None:
        self._api = api
        self._access = access
        self._now = now
        self._about = About(api.catalog)

    async def answer(self, request: Request) -> Reply:
        """Answer ``request``."""
        document = self._about.answer(request)
        if document is not None:
            if request.method != "GET":
                raise method_not_allowed()
            return document
        place = parsed_path(request.path, self._api.catalog)
        match request.method, bool(place.name):
            case "GET", True:
                stored = self._api.objects.get(place.resource, _key(place))
                return Answer(body=self._view(request, place).one(stored))
            case "GET", False:
                return await self._list_or_watch(request, place)
            case "POST", False:
                return await self._create(request, place)
            case "PUT", True:
                return await self._replace(request, place)
            case "PATCH", True:
                return await self._patch(request, place)
            case "DELETE", True if not place.subresource:
                return await self._delete(request, place)
            case "DELETE", False:
                return await self._delete_all(request, place)
            case "PUT" | "PATCH", False:
                raise bad_request("name must be provided")
            case method, _:
                raise no_such_verb(place.resource, method.lower())

    # Reading

    async def _list_or_watch(self, request: Request, place: Place) -> Reply:
        if "list" not in place.resource.verbs:
            raise no_such_verb(place.resource, "list")
        view = self._view(request, place)
        if request.flag("watch"):
            return self._watch(request, place, view)
        page = await self._page(request, place)
        return Answer(body=view.page(page))

    async def _page(self, request: Request, place: Place) -> Page:
        store = self._api.store
        revision, how = listed_revision(request)
        check_revision(store, revision)
        if how == "Exact" and revision < store.feed(place.resource.storage).compacted:
            raise expired(f"The provided resource version is too old: {revision}")
        return await read_page(
            store,
            place.resource,
            selection(request, place),
            limit=request.number("limit"),
            token=request.query.get("continue", ""),
            at=revision if how == "Exact" else None,
        )

    def _watch(self, request: Request, place: Place, view: View) -> Stream:
        revision, _ = listed_revision(request)
        initial = request.query.get("sendInitialEvents", "")
        bookmarks = request.flag("allowWatchBookmarks")
        since: int | None = revision or None
        if initial == "true":
            since = None
        elif initial == "false" and since is None:
            since = self._api.store.revisions.committed
        watch = Watch(
            namespace=place.namespace,
            wanted=selector(place.resource, selection(request, place)),
            since=since,
            bookmarks=bookmarks,
            marks_initial=initial == "true" and bookmarks,
            timeout_seconds=request.number("timeoutSeconds") or TIMEOUT_SECONDS,
        )
        store = self._api.store

        async def run(send: Send) -> None:
            await tell_changes(store, place.resource, watch, view, send)

        return Stream(run=run)

    def _view(self, request: Request, place: Place) -> View:
        for each in request.headers.get("accept", "").split(","):
            kind, *parameters = (part.strip() for part in each.split(";"))
            form = dict(part.partition("=")[::2] for part in parameters)
            objects, resource = self._api.objects, place.resource
            if "as" not in form and kind in _ACCEPTED:
                return Plain(objects=objects, resource=resource)
            if kind != JSON or (form.get("g"), form.get("v")) != ("meta.k8s.io", "v1"):
                continue
            if form["as"] == "Table":
                return Tabular(
                    objects=objects,
                    resource=resource,
                    now=self._now,
                    include=_included(request),
                )
            if form["as"].startswith("PartialObjectMetadata"):
                return Partial(objects=objects, resource=resource)
        raise not_acceptable((JSON,))

    # Writing

    async def _create(self, request: Request, place: Place) -> Answer:
        body, twice = decoded_body(request)
        if place.resource.storage in {_ACCESS_REVIEW, _RULES_REVIEW}:
            return self._review(request, place, body)
        if place.resource.namespaced and not place.namespace:
            raise no_such_path()
        options = write_options(request, twice)
        return _written(await self._api.create(place.resource, place.namespace, body, options))

    def _review(self, request: Request, place: Place, body: Any) -> Answer:
        if not isinstance(body, dict) or not isinstance(body.get("spec"), dict):
            raise bad_request(f"a {place.resource.kind} with a spec is expected")
        spec = body["spec"]
        if place.resource.storage == _ACCESS_REVIEW:
            status = self._access.review(request.user, spec)
        else:
            status = self._access.listed(request.user, str(spec.get("namespace") or ""))
        review = {
            "kind": place.resource.kind,
            "apiVersion": place.resource.api_version,
            "metadata": {},
            "spec": spec,
            "status": status,
        }
        return json_answer(review, code=201)

    async def _replace(self, request: Request, place: Place) -> Answer:
        body, twice = decoded_body(request)
        options = write_options(request, twice)
        return _written(
            await self._api.replace(
                place.resource, _key(place), body, options, subresource=place.subresource
            )
        )

    async def _patch(self, request: Request, place: Place) -> Answer:
        api, key, subresource = self._api, _key(place), place.subresource
        if request.content_type == APPLY:
            body, twice = decoded_yaml(request.body)
            options = write_options(request, twice)
            written = await api.apply(place.resource, key, body, options, subresource=subresource)
        else:
            edit, twice = decoded_patch(request, place.resource)
            options = write_options(request, twice)
            written = await api.patch(place.resource, key, edit, options, subresource=subresource)
        return _written(written)

    async def _delete(self, request: Request, place: Place) -> Answer:
        options = delete_options(request)
        deleted = await self._api.delete(
            place.resource,
            _key(place),
            preconditions=options.preconditions,
            policy=options.policy,
            dry_run=options.dry_run,
        )
        if not deleted.gone or place.resource.storage == NAMESPACES:
            return Answer(body=deleted.data)
        return json_answer(_deleted(place, deleted))

    async def _delete_all(self, request: Request, place: Place) -> Answer:
        if "deletecollection" not in place.resource.verbs:
            raise no_such_verb(place.resource, "deletecollection")
        if place.resource.namespaced and not place.namespace:
            raise no_such_path()
        options = delete_options(request)
        page = await delete_all(
            self._api.objects,
            place.resource,
            selection(request, place),
            policy=options.policy,
            dry_run=options.dry_run,
        )
        return Answer(body=Plain(objects=self._api.objects, resource=place.resource).page(page))


def _key(place: Place) -> Key:
    return Key(place.namespace, place.name)


def _included(request: Request) -> str:
    include = request.query.get("includeObject", "") or "Metadata"
    if include not in {"None", "Metadata", "Object"}:
        why = f"Invalid value: \"{include}\": must be 'Metadata', 'Object', 'None', or empty"
        raise bad_request(f"Unable to convert to Table as requested: includeObject: {why}")
    return include


def _written(written: Written) -> Answer:
    code = 201 if written.created else 200
    return Answer(body=written.data, code=code, warnings=written.warnings)


def _deleted(place: Place, deleted: Deleted) -> Object:
    resource = place.resource
    details = {
        "name": place.name,
        **({"group": resource.group} if resource.group else {}),
        "kind": resource.plural,
        "uid": deleted.uid,
    }
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    }
