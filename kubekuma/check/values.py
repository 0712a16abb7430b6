"""Values that the steps of a scenario carry from one to the next, none of which may be shown."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import attrs

from kubekuma.check.context import Check
from kubekuma.check.finding import CheckFailed
from kubekuma.check.redact import forms
from kubekuma.kit.http_headers import is_header_value
from kubekuma.kit.placeholder import compact, fill, names_in
from kubekuma.kit.url import MAX_LENGTH, Url, parse_url
from kubekuma.model.result import Reason
from kubekuma.model.target import Body, ScenarioValue, StepRequest

MOST_CHARACTERS: Final = 8192


class Values:
    """Values by name, kept by the one task that runs a scenario."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._of_secrets: set[str] = set()

    async def fetch(self, value: ScenarioValue, check: Check) -> None:
        """Add a value that stands in a Secret. Raises CheckFailed if it does not."""
        secret = await check.secret(value.value_from_secret_ref)
        self._known[value.name] = secret.decode("utf-8", "replace").rstrip("\r\n")
        self._of_secrets.add(value.name)

    def keep(self, name: str, value: str, check: Check) -> None:
        """Add a value that a target gave. From now on nothing that ``check`` says contains it."""
        if len(value) > MOST_CHARACTERS:
            message = f"{name} has more than {MOST_CHARACTERS} characters"
            raise CheckFailed(Reason.VALUE_MISMATCH, message)
        check.trace.secrets.extend(forms(value))
        self._known[name] = value

    def missing(self, request: StepRequest) -> str | None:
        """The first name in ``request`` that has no value."""
        return next((name for _, name in request.names if name not in self._known), None)

    def url(self, text: str) -> Url:
        """Parse ``text``, and fill in what it names: escaped, as it is part of a path or query.

        Filled in after parsing: no value leads to another host.
        """
        url = parse_url(compact(text))
        target = fill(url.target, lambda name: quote(self._known[name], safe=""))
        if len(target) > MAX_LENGTH:
            message = f"the URL becomes longer than {MAX_LENGTH} characters"
            raise CheckFailed(Reason.VALUE_MISMATCH, message)
        return attrs.evolve(url, target=target)

    def header(self, text: str) -> str:
        """Fill in what the value of a header names. Raises CheckFailed if that is no header."""
        for name in names_in(text):
            if not is_header_value(self._known[name].encode("utf-8", "replace")):
                ours = name in self._of_secrets
                reason = Reason.SECRET_MISSING if ours else Reason.VALUE_MISMATCH
                raise CheckFailed(reason, f"{name} cannot stand in a header")
        return self._text(text)

    def body(self, body: Body | None) -> Body | None:
        """Fill in what a body names: as text, which is encoded for its form only afterwards."""
        match body:
            case None:
                return None
            case Body(text=str() as text):
                return Body(text=self._text(text))
            case Body(form=form) if form is not None:
                return Body(form={key: self._text(value) for key, value in form.items()})
            case Body(json=document):
                return Body(json=self._document(document))

    def _document(self, value: Any) -> Any:
        match value:
            case str():
                return self._text(value)
            case Mapping():
                return {key: self._document(each) for key, each in value.items()}
            case list() | tuple():
                return [self._document(each) for each in value]
            case _:
                return value

    def _text(self, text: str) -> str:
        return fill(text, self._known.__getitem__)
