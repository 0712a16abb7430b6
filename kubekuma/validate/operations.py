"""Rules for what people do to the history: it is no resource, and no schema looks at it. Pure."""

from collections.abc import Iterator
from typing import Final

from kubekuma.model.state import Acknowledgement
from kubekuma.validate.rule import FieldError, Rule, at, every, must
from kubekuma.validate.text import prose

LONGEST_NOTE: Final = 2000
LONGEST_NAME: Final = 253

_acknowledgement: Rule[Acknowledgement] = every(
    at("by", lambda given: given.by, prose(LONGEST_NAME, least=1)),
    at("note", lambda given: given.note, prose(LONGEST_NOTE)),
    at("until", lambda given: given, must(lambda given: given.holds(given.at), "must lie ahead")),
)


def acknowledgement_errors(given: Acknowledgement) -> Iterator[FieldError]:
    """What is wrong with an acknowledgement."""
    yield from _acknowledgement(given)
