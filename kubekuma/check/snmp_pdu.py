"""SNMP's question for one object, its answer, and values as text (RFC 3416). Pure."""

from typing import Final

import attrs

from kubekuma.check import ber

RESPONSE, REPORT = 0xA2, 0xA8
NOT_LET_IN: Final = frozenset({"noAccess", "authorizationError"})
ABSENT: Final = {0x80: "noSuchObject", 0x81: "noSuchInstance", 0x82: "endOfMibView"}
_GET: Final = 0xA0
_ERRORS: Final = {
    1: "tooBig",
    2: "noSuchName",
    3: "badValue",
    5: "genErr",
    6: "noAccess",
    16: "authorizationError",
}
_UNSIGNED: Final = frozenset({0x41, 0x42, 0x43, 0x46, 0x47})  # counters, gauges, time ticks
_ADDRESS: Final = 0x40


@attrs.frozen(kw_only=True)
class Response:
    """What an agent answers: the object and its value, or the name of an error."""

    oid: str = ""
    value: ber.Element | None = None
    error: str = ""


def question(number: int, *oids: str) -> bytes:
    """Encode the question for objects: for one, or none."""
    variables = (ber.encode(ber.SEQUENCE, ber.object_id(oid), ber.encode(ber.NULL)) for oid in oids)
    return ber.encode(
        _GET,
        ber.integer(number),
        ber.integer(0),
        ber.integer(0),
        ber.encode(ber.SEQUENCE, *variables),
    )


def parse_answer(answer: ber.Element, number: int | None) -> Response | None:
    """Read the answer to question ``number``, if one is given; None for all else.

    Raises ValueError or StopIteration for what is no answer at all.
    """
    identity, status, _, variables = ber.elements(answer.body)
    if number is not None and ber.as_integer(identity.body) != number:
        return None
    if error := ber.as_integer(status.body):
        return Response(error=_ERRORS.get(error, f"error {error}"))
    first = next(ber.elements(variables.body))
    oid, value = ber.elements(first.body)
    return Response(oid=ber.as_object_id(oid.body), value=value)


def shown(value: ber.Element) -> str:
    """The value as text."""
    match value.tag:
        case ber.INTEGER:
            return str(ber.as_integer(value.body))
        case tag if tag in _UNSIGNED:
            return str(int.from_bytes(value.body, "big"))
        case ber.OBJECT_ID:
            return ber.as_object_id(value.body)
        case tag if tag == _ADDRESS:
            return ".".join(map(str, value.body))
        case _:
            text = value.body.decode("utf-8", "replace")
            return text if text.isprintable() or text.isspace() else value.body.hex(":")
