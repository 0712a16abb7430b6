"""Bodies to JSON values and back, with the care that Kubernetes takes.

Duplicate fields are noticed, NaN is none of JSON, and one U+0085 in a string
stays what it was.
"""

import json
from collections.abc import Hashable, Iterable, Iterator
from typing import Any, Final, NoReturn

import attrs
import yaml

from kubekuma.standalone.errors import bad_request
from kubekuma.standalone.resources import Object

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)
# More than an object of the largest size can hold: aliases can make much of little.
_NODE_LIMIT: Final = 500_000
_DEPTH_LIMIT: Final = 200


@attrs.frozen(kw_only=True)
class Document:
    """One of the documents in a text: where it begins, and the fields that it gives twice."""

    line: int
    value: Any
    twice: tuple[str, ...] = ()
    # Lines of the items, if it is a list of objects.
    item_lines: tuple[int, ...] = ()


def encoded(value: Any) -> bytes:
    """``value`` as compact JSON."""
    # A lone surrogate, which JSON can name and UTF-8 cannot, becomes a question mark.
    return _ENCODER.encode(value).encode("utf-8", "replace")


def decoded_json(body: bytes) -> tuple[Any, tuple[str, ...]]:
    """Decode ``body``, and name the fields that it gives twice."""
    twice: list[str] = []

    def collect(pairs: list[tuple[str, Any]]) -> Object:
        result = dict(pairs)
        if len(result) != len(pairs):
            names = [name for name, _ in pairs]
            twice.extend(sorted({name for name in names if names.count(name) > 1}))
        return result

    try:
        value = json.loads(body, object_pairs_hook=collect, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise bad_request(f"error decoding the body of the request: {error}") from None
    return value, tuple(twice)


def decoded_yaml(body: bytes) -> tuple[Any, tuple[str, ...]]:
    """As ``decoded_json``, for YAML, of which JSON is a part and much faster to read."""
    if body.lstrip()[:1] == b"{":
        return decoded_json(body)
    try:
        documents = list(yaml_documents(body))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise bad_request(f"error parsing YAML: {error}") from None
    if len(documents) != 1:
        raise bad_request(f"error parsing YAML: one document is expected, not {len(documents)}")
    return documents[0].value, documents[0].twice


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
            check_extent(value)
            yield Document(
                line=node.start_mark.line + 1,
                value=value,
                twice=tuple(loader.twice),
                item_lines=tuple(_item_lines(node)),
            )
    finally:
        loader.dispose()


class _Loader(yaml.CSafeLoader):
    """YAML as Kubernetes reads it: times stay text, keys are text, duplicates are noticed."""

    def __init__(self, stream: str | bytes) -> None:
        super().__init__(stream)
        self.twice: list[str] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        names = [str(key.value) for key, _ in node.value if key.value != "<<"]
        if len(set(names)) != len(names):
            self.twice.extend(sorted({name for name in names if names.count(name) > 1}))
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


def check_extent(value: Any) -> None:
    """Refuse, by ValueError, what is too deep or, by aliases, too large to be worked on.

    Also ends for a value that contains itself.
    """
    nodes, level = 0, [value]
    for _ in range(_DEPTH_LIMIT):
        parts = [part for each in level for part in _parts(each)]
        nodes += len(parts)
        if nodes > _NODE_LIMIT:
            raise ValueError("the document contains too many values")
        level = [part for part in parts if isinstance(part, (dict, list))]
        if not level:
            return
    raise ValueError("the document is nested too deeply")


def _parts(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _item_lines(node: yaml.Node) -> Iterator[int]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == "items" and isinstance(value, yaml.SequenceNode):
                yield from (item.start_mark.line + 1 for item in value.value)


def _key(node: yaml.Node, key: Any) -> str:
    if isinstance(key, (dict, list)):
        message = "a key must be a text"
        raise yaml.constructor.ConstructorError(problem=message, problem_mark=node.start_mark)
    return str(key).lower() if isinstance(key, bool) else str(key)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"invalid value {name}")
