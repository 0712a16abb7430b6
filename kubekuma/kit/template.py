"""Templates of texts that people write: places for values, conditions, and loops without end.

A small part of Jinja's notation. What may be named is a closed list, so mistakes are found when a
template is written and not when it is needed. Rendering never raises, and neither its result nor
the work for it grows beyond a bound. Values are put in as they are: nothing in them is looked at
again.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, Final, TypeAlias
from urllib.parse import quote

import attrs

MOST_DEPTH: Final = 8
# Characters that filters look at, and nodes: what costs time without making the text longer.
MOST_WORK: Final = 1_000_000
CUT: Final = "…"
# Of a mistake, which may quote a name of any length.
MOST_SAID: Final = 400

# By name: a text, number or None; a sequence of those; a mapping from names to those.
Values: TypeAlias = Mapping[str, Any]


class Shape(StrEnum):
    """What a name stands for."""

    TEXT = "text"
    LIST = "list"  # of texts
    MAP = "map"  # texts by names of their own, which are not known beforehand


Names: TypeAlias = Mapping[str, Shape]


@attrs.frozen
class Mistake:
    """Why a text is no template, and where; lines and columns count from 1."""

    line: int
    column: int
    said: str

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.said}"


@attrs.frozen
class Text:
    """What stands there as it is."""

    text: str


@attrs.frozen
class Named:
    """The value of a name, or what a map has under ``key``."""

    name: str
    shape: Shape
    key: str | None = None


Operand: TypeAlias = Text | Named


@attrs.frozen
class Put:
    """A value, and what is made of it."""

    value: Operand
    filters: tuple[tuple[str, str], ...]  # each with its argument


@attrs.frozen
class Condition:
    """Whether ``value`` is there; with ``other``, whether it is the same."""

    value: Operand
    other: Operand | None
    negated: bool


@attrs.frozen
class Choice:
    """The first branch whose condition holds; None holds always."""

    branches: tuple[tuple[Condition | None, "Nodes"], ...]


@attrs.frozen
class Loop:
    """The nodes once for each item."""

    variable: str
    value: Named
    nodes: "Nodes"


Nodes: TypeAlias = "tuple[Text | Put | Choice | Loop, ...]"


@attrs.frozen
class Template:
    """A text that was understood."""

    nodes: Nodes


def parse(source: str, names: Names) -> Template | Mistake:
    """The template that ``source`` is, if it names nothing but ``names``."""
    try:
        return Template(_Parser(source, names).parse())
    except _Wrong as wrong:
        line = source.count("\n", 0, wrong.at) + 1
        column = wrong.at - source.rfind("\n", 0, wrong.at)
        return Mistake(line, column, _truncated(wrong.said, MOST_SAID))


def render(template: Template, values: Values, most: int) -> str:
    """The text of at most ``most`` characters, the last of which says whether it was cut."""
    output = _Output(most)
    try:
        _write(template.nodes, values, output)
    except _Full:
        return _truncated("".join(output.pieces) + CUT, most)
    return "".join(output.pieces)


# From a text to its nodes ------------------------------------------------------------------------

_OPENING: Final = re.compile(r"\{\{|\{%")
_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<end>\}\}|%\})
      | (?P<word>[A-Za-z_][A-Za-z0-9_./-]*)
      | (?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|[0-9]+)
      | (?P<sign>==|!=|[|(),])
    )""",
    re.VERBOSE,
)
_BLANK_REST: Final = re.compile(r"[ \t]*(?:\r?\n|\Z)")
_ESCAPED: Final = re.compile(r"\\(.)")


class _Wrong(Exception):  # noqa: N818 - never leaves the module
    def __init__(self, at: int, said: str) -> None:
        super().__init__(said)
        self.at, self.said = at, said


@attrs.frozen
class _Token:
    at: int
    kind: str  # end, word, text or sign
    text: str


@attrs.define
class _Frame:
    """A block that is still open."""

    at: int
    kind: str  # if, for, or nothing: the whole
    nodes: list[Any] = attrs.field(factory=list)
    branches: list[tuple[Condition | None, Nodes]] = attrs.field(factory=list)
    condition: Condition | None = None
    variable: str = ""
    value: Named | None = None


class _Parser:
    def __init__(self, source: str, names: Names) -> None:
        self._source = source
        self._names = names
        self._frames = [_Frame(0, "")]
        self._tokens: list[_Token] = []

    def parse(self) -> Nodes:
        at = 0
        while (opening := _OPENING.search(self._source, at)) is not None:
            start = opening.start()
            self._tokens, end = self._tag(opening)
            if opening[0] == "{%":
                start, end = self._line_of(start, end)
            self._text(self._source[at:start])
            if opening[0] == "{%":
                self._block(opening.start())
            else:
                self._frames[-1].nodes.append(self._put())
            at = end
        self._text(self._source[at:])
        if len(self._frames) > 1:
            left = self._frames[-1]
            raise _Wrong(left.at, f"this {left.kind} needs an end{left.kind}")
        return tuple(self._frames[0].nodes)

    def _text(self, text: str) -> None:
        if text:
            self._frames[-1].nodes.append(Text(text))

    def _tag(self, opening: "re.Match[str]") -> tuple[list[_Token], int]:
        """What stands between the braces, the last first, and where they end."""
        closing = "}}" if opening[0] == "{{" else "%}"
        tokens: list[_Token] = []
        at = opening.end()
        while True:
            found = _TOKEN.match(self._source, at)
            if found is None:
                rest = self._source[at:].lstrip()
                if not rest:
                    raise _Wrong(opening.start(), f"{opening[0]} needs a {closing}")
                raise _Wrong(len(self._source) - len(rest), f"{rest[0]} has no meaning here")
            kind = str(found.lastgroup)
            token = _Token(found.start(kind), kind, found[kind])
            if kind == "end" and token.text != closing:
                raise _Wrong(token.at, f"must be {closing}")
            tokens.append(token)
            at = found.end()
            if kind == "end":
                return tokens[::-1], at

    def _line_of(self, start: int, end: int) -> tuple[int, int]:
        """A block that is alone in its line leaves nothing of that line."""
        begin = self._source.rfind("\n", 0, start) + 1
        rest = _BLANK_REST.match(self._source, end)
        if rest is None or self._source[begin:start].strip(" \t"):
            return start, end
        return begin, rest.end()

    def _block(self, at: int) -> None:
        word = self._take("word", "if, elif, else, endif, for or endfor")
        match word.text:
            case "if":
                self._open(_Frame(at, "if", condition=self._condition()))
            case "for":
                self._open(self._loop(at))
            case "elif":
                self._branch(word, self._condition())
            case "else":
                self._branch(word, None)
            case "endif":
                frame = self._close(word, "if")
                branches = (*frame.branches, (frame.condition, tuple(frame.nodes)))
                self._frames[-1].nodes.append(Choice(branches))
            case "endfor":
                frame = self._close(word, "for")
                assert frame.value is not None  # noqa: S101 - _loop has given it
                loop = Loop(frame.variable, frame.value, tuple(frame.nodes))
                self._frames[-1].nodes.append(loop)
            case other:
                raise _Wrong(word.at, f"{other} is none of if, elif, else, endif, for and endfor")
        self._take("end", "%}")

    def _open(self, frame: _Frame) -> None:
        if len(self._frames) > MOST_DEPTH:
            raise _Wrong(frame.at, f"must not be more than {MOST_DEPTH} blocks deep")
        self._frames.append(frame)

    def _close(self, word: _Token, kind: str) -> _Frame:
        if self._frames[-1].kind != kind:
            raise _Wrong(word.at, f"there is no {kind} that {word.text} could end")
        return self._frames.pop()

    def _branch(self, word: _Token, condition: Condition | None) -> None:
        frame = self._frames[-1]
        if frame.kind != "if":
            raise _Wrong(word.at, f"there is no if that {word.text} could belong to")
        if frame.branches and frame.condition is None:
            raise _Wrong(word.at, f"{word.text} must not come after else")
        frame.branches.append((frame.condition, tuple(frame.nodes)))
        frame.condition, frame.nodes = condition, []

    def _loop(self, at: int) -> _Frame:
        if any(frame.kind == "for" for frame in self._frames):
            raise _Wrong(at, "a for must not stand within a for")
        variable = self._take("word", "a name")
        if not variable.text.isidentifier() or self._is_taken(variable.text):
            raise _Wrong(variable.at, f"{variable.text} cannot be the name of an item")
        self._take("word", "in", text="in")
        name = self._take("word", "the name of a list")
        value = self._named(name)
        if value.shape is Shape.TEXT:
            raise _Wrong(name.at, f"{name.text} is no list")
        return _Frame(at, "for", variable=variable.text, value=value)

    def _is_taken(self, name: str) -> bool:
        return any(each.partition(".")[0] == name for each in self._names)

    def _condition(self) -> Condition:
        negated = self._next_is("word", "not")
        at = self._tokens[-1].at
        value = self._operand()
        sign = self._tokens[-1]
        if sign.text not in {"==", "!="}:
            return Condition(value, None, negated)
        self._tokens.pop()
        other = self._operand()
        for each in (value, other):
            if isinstance(each, Named) and each.shape is not Shape.TEXT:
                raise _Wrong(at, f"{each.name} is no text that could be compared")
        return Condition(value, other, negated is not (sign.text == "!="))

    def _put(self) -> Put:
        at = self._tokens[-1].at
        value = self._operand()
        shape = value.shape if isinstance(value, Named) else Shape.TEXT
        filters = []
        while self._next_is("sign", "|"):
            word = self._take("word", "the name of a filter")
            found = _FILTERS.get(word.text)
            if found is None:
                raise _Wrong(word.at, f"there is no filter {word.text}{_near(word.text, _FILTERS)}")
            if shape not in found.takes:
                raise _Wrong(word.at, f"{word.text} takes no {shape}")
            filters.append((word.text, self._argument(word, found)))
            shape = Shape.TEXT
        if shape is not Shape.TEXT:
            raise _Wrong(at, f"this is a {shape}: put it through {_MAKES_TEXT[shape]}")
        self._take("end", "}}")
        return Put(value, tuple(filters))

    def _argument(self, word: _Token, known: "_Filter") -> str:
        if known.argument is None:
            return ""
        if not self._next_is("sign", "("):
            if known.argument:
                return known.argument
            raise _Wrong(word.at, f"{word.text} needs an argument, as in {known.example}")
        token = self._take("text", "a text or number")
        if known.is_number and not token.text.isdigit():
            raise _Wrong(token.at, f"must be a number, as in {known.example}")
        self._take("sign", ")", text=")")
        return _literal(token.text)

    def _operand(self) -> Operand:
        if self._tokens[-1].kind == "text":
            return Text(_literal(self._tokens.pop().text))
        return self._named(self._take("word", "a name or a text"))

    def _named(self, word: _Token) -> Named:
        name = word.text
        for frame in self._frames:
            if frame.kind == "for" and name.partition(".")[0] == frame.variable:
                return self._of_item(word, frame)
        if name in self._names:
            return Named(name, self._names[name])
        for known, shape in self._names.items():
            if shape is Shape.MAP and name.startswith(f"{known}."):
                return Named(known, Shape.TEXT, name.removeprefix(f"{known}."))
        raise _Wrong(word.at, f"there is no {name}{_near(name, self._names)}")

    def _of_item(self, word: _Token, frame: _Frame) -> Named:
        variable, _, part = word.text.partition(".")
        is_map = frame.value is not None and frame.value.shape is Shape.MAP
        if part not in (_PARTS if is_map else ("",)):
            has = f"has {variable}.name and {variable}.value" if is_map else "is a text"
            raise _Wrong(word.at, f"there is no {word.text}: {variable} {has}")
        return Named(variable, Shape.TEXT, part or None)

    def _next_is(self, kind: str, text: str) -> bool:
        """Take the next token if it is this one."""
        if (self._tokens[-1].kind, self._tokens[-1].text) != (kind, text):
            return False
        self._tokens.pop()
        return True

    def _take(self, kind: str, wanted: str, *, text: str | None = None) -> _Token:
        token = self._tokens[-1]
        if token.kind != kind or (text is not None and token.text != text):
            raise _Wrong(token.at, f"must be {wanted}")
        return self._tokens.pop()


_PARTS: Final = ("name", "value")
_MAKES_TEXT: Final = {
    Shape.LIST: "join or json, or loop over it",
    Shape.MAP: "json, or name a part",
}


def _literal(written: str) -> str:
    if written.isdigit():
        return written
    return _ESCAPED.sub(lambda found: "\n" if found[1] == "n" else found[1], written[1:-1])


def _near(name: str, known: Mapping[str, object]) -> str:
    close = get_close_matches(name, known, n=1)
    return f": is {close[0]} meant?" if close else f"; there are {', '.join(sorted(known))}"


# From nodes to a text ----------------------------------------------------------------------------


class _Full(Exception):  # noqa: N818 - never leaves the module
    """There is no more room, or it has been work enough."""


@attrs.define
class _Output:
    room: int
    pieces: list[str] = attrs.field(factory=list)
    work: int = MOST_WORK

    def add(self, piece: str) -> None:
        self.pieces.append(piece)
        self.room -= len(piece)
        if self.room < 0:
            raise _Full

    def spend(self, work: int) -> None:
        self.work -= work
        if self.work < 0:
            raise _Full


def _write(nodes: Nodes, values: Values, output: _Output) -> None:
    for node in nodes:
        output.spend(1)
        match node:
            case Text(text):
                output.add(text)
            case Put():
                output.add(_filtered(node, values, output))
            case Choice(branches):
                for condition, branch in branches:
                    if condition is None or _holds(condition, values):
                        _write(branch, values, output)
                        break
            case Loop(variable, value, inner):
                for item in _items(_value(value, values)):
                    _write(inner, {**values, variable: item}, output)


def _filtered(put: Put, values: Values, output: _Output) -> str:
    value = _value(put.value, values)
    for name, argument in put.filters:
        output.spend(_size(value))
        value = _FILTERS[name].apply(value, argument)
    return _text(value)


def _holds(condition: Condition, values: Values) -> bool:
    value = _value(condition.value, values)
    if condition.other is None:
        found = bool(value)
    else:
        found = _text(value) == _text(_value(condition.other, values))
    return found is not condition.negated


def _value(operand: Operand, values: Values) -> Any:
    if isinstance(operand, Text):
        return operand.text
    value = values.get(operand.name)
    if operand.key is None:
        return value
    return value.get(operand.key) if isinstance(value, Mapping) else None


def _items(value: Any) -> Sequence[Any]:
    if isinstance(value, Mapping):
        return [{"name": name, "value": each} for name, each in value.items()]
    return value if isinstance(value, (list, tuple)) else ()


def _size(value: Any) -> int:
    if isinstance(value, Mapping):
        return sum(len(name) + _size(each) for name, each in value.items())
    if isinstance(value, (list, tuple)):
        return sum(map(_size, value))
    return len(value) if isinstance(value, str) else 1


def _text(value: Any) -> str:
    return "" if value is None else str(value)


@attrs.frozen(kw_only=True)
class _Filter:
    """What can be made of a value. ``argument``: its default; None: it takes none."""

    apply: Callable[[Any, str], str]
    takes: frozenset[Shape] = frozenset({Shape.TEXT})
    argument: str | None = None
    is_number: bool = False
    example: str = ""


def _truncated(text: str, most: int) -> str:
    return text if len(text) <= most else text[: max(0, most - len(CUT))] + CUT[:most]


def _time(text: str) -> str:
    try:
        instant = datetime.fromisoformat(text)
        shown = f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError):
        return text
    return shown if instant.tzinfo is not None else text


def _joined(items: Any, between: str) -> str:
    return between.join(map(_text, _items(items)))


_FILTERS: Final[Mapping[str, _Filter]] = {
    "upper": _Filter(apply=lambda value, _: _text(value).upper()),
    "lower": _Filter(apply=lambda value, _: _text(value).lower()),
    "default": _Filter(
        apply=lambda value, other: _text(value) or other, argument="", example='default("none")'
    ),
    "truncate": _Filter(
        apply=lambda value, most: _truncated(_text(value), int(most[:9])),
        argument="",
        is_number=True,
        example="truncate(80)",
    ),
    "time": _Filter(apply=lambda value, _: _time(_text(value))),
    "urlencode": _Filter(apply=lambda value, _: quote(_text(value), safe="", errors="replace")),
    "join": _Filter(apply=_joined, takes=frozenset({Shape.LIST}), argument=", "),
    "json": _Filter(
        apply=lambda value, _: json.dumps(value, default=str),
        takes=frozenset(Shape),
    ),
}
