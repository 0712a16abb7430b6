"""YAML as Kubernetes reads it, and on which line each field stands.

Times stay text, keys are text, and a field that is given twice is noticed,
where YAML itself would silently take the last.
"""

from collections.abc import Hashable, Iterator
from typing import Any, Final

import attrs
import yaml

# More than an object of the largest size can hold: aliases can make much of little.
_NODE_LIMIT: Final = 500_000


@attrs.frozen(kw_only=True)
class Document:
    """One of the documents in a text: its value, its first line, the fields it gives twice."""

    line: int
    value: Any
    twice: tuple[str, ...] = ()
    node: yaml.Node = attrs.field(eq=False, repr=False)

    def line_of(self, path: str) -> int:
        """The line of the field ``path``, or of the nearest of its parents that is there."""
        node, line = self.node, self.line
        for step in _steps(path):
            found = _child(node, step)
            if found is None:
                break
            node, line = found
        return line


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


class _Loader(yaml.CSafeLoader):
    def __init__(self, stream: str | bytes) -> None:
        super().__init__(stream)
        self.twice: list[str] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        names = [str(key.value) for key, _ in node.value]
        if len(set(names)) != len(names):
            self.twice.extend(sorted({name for name in names if names.count(name) > 1}))
        found = super().construct_mapping(node, deep=deep)
        return {_key(key): value for key, value in found.items()}


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _steps(path: str) -> Iterator[str | int]:
    for part in path.replace("[", ".[").split("."):
        if part.startswith("[") and part[1:-1].isdigit():
            yield int(part[1:-1])
        elif part:
            yield part


def _child(node: yaml.Node, step: str | int) -> tuple[yaml.Node, int] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if str(key.value) == step:
                return value, key.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        item = node.value[step]
        return item, item.start_mark.line + 1
    return None


def _check_extent(value: Any) -> None:
    # Also ends for a value that contains itself.
    nodes, waiting = 0, [value]
    while waiting:
        each = waiting.pop()
        parts = each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
        nodes += len(parts)
        if nodes > _NODE_LIMIT:
            raise ValueError("the document contains too many values")
        waiting.extend(part for part in parts if isinstance(part, (dict, list)))


def _key(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)
