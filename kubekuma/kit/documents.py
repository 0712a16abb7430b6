"""YAML and JSON as Kubernetes reads them, and on which line each field stands.

Times stay text, keys are text, and a field that is given twice is noticed,
where YAML itself would silently take the last.
"""

import json
import math
from collections.abc import Iterable, Iterator
from typing import Any, Final, NoReturn

import attrs
import yaml

# More than an object of the largest size can hold.
_NODE_LIMIT: Final = 500_000
_DEPTH_LIMIT: Final = 200
_LINES_LIMIT_BYTES: Final = 1024 * 1024
_TOO_DEEP: Final = "the document is nested too deeply"


@attrs.frozen(kw_only=True)
class Document:
    """One of the documents in a text: its value, its first line, the fields it gives twice."""

    line: int
    value: Any
    twice: tuple[str, ...] = ()
    # Where its fields stand; absent if that is not known.
    node: yaml.Node | None = attrs.field(default=None, eq=False, repr=False)

    def line_of(self, path: str) -> int:
        """The line of the field ``path``, or of the nearest of its parents that is there."""
        node, line = self.node, self.line
        for step in _steps(path):
            found = _child(node, step)
            if found is None:
                break
            node, line = found
        return line

    @property
    def objects(self) -> tuple["Document", ...]:
        """The objects in it: a list of objects is as good as its items."""
        value = self.value
        is_list = isinstance(value, dict) and str(value.get("kind", "")).endswith("List")
        if not is_list or not isinstance(value.get("items"), list):
            return (self,)
        node, line = _child(self.node, "items") or (None, self.line)
        found: list[Document] = []
        for index, item in enumerate(value["items"]):
            inner, at = _child(node, index) or (None, line)
            found.append(Document(line=at, value=item, twice=self.twice, node=inner))
        return tuple(found)


def yaml_documents(text: str | bytes) -> Iterator[Document]:
    """Yield every document in ``text`` that is not empty. Raises YAMLError and ValueError."""
    loader = _Loader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            if node is None:
                continue
            loader.twice.clear()
            value = loader.construct_document(node)
            if value is None:
                continue
            _check_extent(value)
            yield Document(
                line=node.start_mark.line + 1, value=value, twice=tuple(loader.twice), node=node
            )
    finally:
        loader.dispose()


def json_document(text: bytes) -> Document:
    """The one document of a JSON ``text``. Raises JSONDecodeError and ValueError."""
    value, twice = json_value(text)
    _check_extent(value)
    return Document(line=1, value=value, twice=twice, node=_node_of(text))


def json_value(text: bytes) -> tuple[Any, tuple[str, ...]]:
    """The value of a JSON ``text``, and the fields that it gives twice. Raises ValueError."""
    twice: list[str] = []

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) != len(pairs):
            twice.extend(_repeated([name for name, _ in pairs]))
        return result

    try:
        value = json.loads(
            text, object_pairs_hook=collect, parse_float=_real, parse_constant=_refuse_constant
        )
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    return value, tuple(twice)


class _Loader(yaml.CSafeLoader):
    def __init__(self, stream: str | bytes) -> None:
        super().__init__(stream)
        self.twice: list[str] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [str(key.value) for key, _ in node.value if key.value != "<<"]
        if len(set(names)) != len(names):
            self.twice.extend(_repeated(names))
        self.flatten_mapping(node)
        # Keys become texts one by one: as values, 1 and true would be the same.
        return {
            _key(key, self.construct_object(key, deep=True)): self.construct_object(value, deep)
            for key, value in node.value
        }


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _node_of(text: bytes) -> yaml.Node | None:
    # YAML reads nearly all JSON, but not a character that is escaped as two surrogates. It is slow,
    # and what is large was not written by hand.
    if len(text) > _LINES_LIMIT_BYTES:
        return None
    try:
        return yaml.compose(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None


def _steps(path: str) -> Iterator[str | int]:
    for part in path.replace("[", ".[").split("."):
        if part.startswith("[") and part[1:-1].isdigit():
            yield int(part[1:-1])
        elif part:
            yield part


def _child(node: yaml.Node | None, step: str | int) -> tuple[yaml.Node, int] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if str(key.value) == step:
                return value, key.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        item = node.value[step]
        return item, item.start_mark.line + 1
    return None


def _check_extent(value: Any) -> None:
    # Aliases can make much of little. Also ends for a value that contains itself.
    nodes, level = 0, [value]
    for _ in range(_DEPTH_LIMIT):
        parts = [part for each in level for part in _parts(each)]
        nodes += len(parts)
        if not all(math.isfinite(part) for part in parts if isinstance(part, float)):
            raise ValueError("a number must be finite")
        if nodes > _NODE_LIMIT:
            raise ValueError("the document contains too many values")
        level = [part for part in parts if isinstance(part, (dict, list))]
        if not level:
            return
    raise ValueError(_TOO_DEEP)


def _parts(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _repeated(names: list[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})


def _key(node: yaml.Node, key: Any) -> str:
    if isinstance(key, (dict, list)):
        message = "a key must be a text"
        raise yaml.constructor.ConstructorError(problem=message, problem_mark=node.start_mark)
    return str(key).lower() if isinstance(key, bool) else str(key)


def _real(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse_constant(text)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"invalid value {name}")
