"""The objects that kubectl creates through typed clients, which send protobuf.

Field numbers are those of the ``generated.proto`` files of k8s.io/api and
k8s.io/apimachinery; they never change.
"""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, TypeAlias

import attrs

from kubekuma.standalone.errors import bad_request, unsupported_media_type
from kubekuma.standalone.policy import RBAC

PROTOBUF: Final = "application/vnd.kubernetes.protobuf"
_OTHERS: Final = ("application/json", "application/yaml")
_MAGIC: Final = b"k8s\x00"

_Kind: TypeAlias = Literal[
    "text", "bytes", "flag", "number", "message", "messages", "texts", "map", "bytes map"
]


@attrs.frozen
class _Field:
    name: str
    kind: _Kind = "text"
    message: "Mapping[int, _Field]" = attrs.field(factory=dict)


_Message: TypeAlias = Mapping[int, _Field]

_METADATA: Final[_Message] = {
    1: _Field("name"),
    2: _Field("generateName"),
    3: _Field("namespace"),
    5: _Field("uid"),
    6: _Field("resourceVersion"),
    7: _Field("generation", "number"),
    11: _Field("labels", "map"),
    12: _Field("annotations", "map"),
    14: _Field("finalizers", "texts"),
}
_META: Final = _Field("metadata", "message", _METADATA)
_ACCESS: Final[_Message] = {
    1: _Field("namespace"),
    2: _Field("verb"),
    3: _Field("group"),
    4: _Field("version"),
    5: _Field("resource"),
    6: _Field("subresource"),
    7: _Field("name"),
}
_ACCESS_SPEC: Final[_Message] = {
    1: _Field("resourceAttributes", "message", _ACCESS),
    2: _Field("nonResourceAttributes", "message", {1: _Field("path"), 2: _Field("verb")}),
}
_SELECTOR: Final[_Message] = {
    1: _Field("matchLabels", "map"),
    2: _Field(
        "matchExpressions",
        "messages",
        {1: _Field("key"), 2: _Field("operator"), 3: _Field("values", "texts")},
    ),
}
_RULES: Final = _Field(
    "rules",
    "messages",
    {
        1: _Field("verbs", "texts"),
        2: _Field("apiGroups", "texts"),
        3: _Field("resources", "texts"),
        4: _Field("resourceNames", "texts"),
        5: _Field("nonResourceURLs", "texts"),
    },
)
_AGGREGATION: Final[_Message] = {1: _Field("clusterRoleSelectors", "messages", _SELECTOR)}
_SUBJECT: Final[_Message] = {
    1: _Field("kind"),
    2: _Field("apiGroup"),
    3: _Field("name"),
    4: _Field("namespace"),
}
_BINDING: Final[_Message] = {
    1: _META,
    2: _Field("subjects", "messages", _SUBJECT),
    3: _Field("roleRef", "message", {1: _Field("apiGroup"), 2: _Field("kind"), 3: _Field("name")}),
}
_PORT: Final[_Message] = {
    1: _Field("name"),
    2: _Field("hostPort", "number"),
    3: _Field("containerPort", "number"),
    4: _Field("protocol"),
    5: _Field("hostIP"),
}
_CONTAINER: Final[_Message] = {
    1: _Field("name"),
    2: _Field("image"),
    3: _Field("command", "texts"),
    4: _Field("args", "texts"),
    6: _Field("ports", "messages", _PORT),
}
# As much as `kubectl create deployment` says.
_TEMPLATE: Final[_Message] = {
    1: _META,
    2: _Field("spec", "message", {2: _Field("containers", "messages", _CONTAINER)}),
}
_DEPLOYMENT: Final[_Message] = {
    1: _Field("replicas", "number"),
    2: _Field("selector", "message", _SELECTOR),
    3: _Field("template", "message", _TEMPLATE),
}
_KINDS: Final[Mapping[tuple[str, str], _Message]] = {
    ("v1", "Namespace"): {1: _META},
    ("v1", "ServiceAccount"): {1: _META},
    ("v1", "Secret"): {
        1: _META,
        2: _Field("data", "bytes map"),
        3: _Field("type"),
        4: _Field("stringData", "map"),
        5: _Field("immutable", "flag"),
    },
    ("v1", "ConfigMap"): {
        1: _META,
        2: _Field("data", "map"),
        3: _Field("binaryData", "bytes map"),
        4: _Field("immutable", "flag"),
    },
    ("apps/v1", "Deployment"): {1: _META, 2: _Field("spec", "message", _DEPLOYMENT)},
    (f"{RBAC}/v1", "Role"): {1: _META, 2: _RULES},
    (f"{RBAC}/v1", "ClusterRole"): {
        1: _META,
        2: _RULES,
        3: _Field("aggregationRule", "message", _AGGREGATION),
    },
    (f"{RBAC}/v1", "RoleBinding"): _BINDING,
    (f"{RBAC}/v1", "ClusterRoleBinding"): _BINDING,
    ("authorization.k8s.io/v1", "SelfSubjectAccessReview"): {
        1: _META,
        2: _Field("spec", "message", _ACCESS_SPEC),
    },
    ("authorization.k8s.io/v1", "SelfSubjectRulesReview"): {
        1: _META,
        2: _Field("spec", "message", {1: _Field("namespace")}),
    },
}
_TYPE: Final[_Message] = {1: _Field("apiVersion"), 2: _Field("kind")}
_UNKNOWN: Final[_Message] = {1: _Field("typeMeta", "message", _TYPE), 2: _Field("raw", "bytes")}


def decoded_protobuf(body: bytes) -> dict[str, Any]:
    """The object in ``body``. Refused if it is of a kind that only JSON is understood for."""
    if not body.startswith(_MAGIC):
        raise bad_request("the body of the request is no protobuf of Kubernetes")
    try:
        envelope = _decoded(_UNKNOWN, body[len(_MAGIC) :])
        identity = envelope.get("typeMeta", {})
        message = _KINDS.get((identity.get("apiVersion", ""), identity.get("kind", "")))
        if message is None:
            raise unsupported_media_type(_OTHERS)
        return {**identity, **_decoded(message, envelope.get("raw", b""))}
    except (IndexError, ValueError):
        raise bad_request("the body of the request is no protobuf of Kubernetes") from None


def _decoded(message: _Message, data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, content in _fields(data):
        field = message.get(number)
        if field is not None:
            _add(found, field, content)
        elif content and not _is_empty(content):
            # Better refused than forgotten.
            raise unsupported_media_type(_OTHERS)
    return found


def _is_empty(content: bytes | int) -> bool:
    # Go writes messages without anything in them, such as a status, also within others.
    if isinstance(content, int):
        return content == 0
    try:
        return all(_is_empty(inner) for _, inner in _fields(content))
    except (IndexError, ValueError):
        return False


def _add(found: dict[str, Any], field: _Field, content: bytes | int) -> None:
    name = field.name
    if isinstance(content, int):
        found[name] = bool(content) if field.kind == "flag" else content
        return
    match field.kind:
        case "text" if content:
            # An empty text is an absent one.
            found[name] = content.decode()
        case "bytes":
            found[name] = content
        case "message":
            found[name] = _decoded(field.message, content)
        case "messages":
            found.setdefault(name, []).append(_decoded(field.message, content))
        case "texts":
            found.setdefault(name, []).append(content.decode())
        case "map" | "bytes map":
            entry = {number: part for number, part in _fields(content) if isinstance(part, bytes)}
            key, part = entry.get(1, b"").decode(), entry.get(2, b"")
            is_bytes = field.kind == "bytes map"
            text = b64encode(part).decode() if is_bytes else part.decode()
            found.setdefault(name, {})[key] = text
        case _:
            pass


def _fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        match tag & 7:
            case 0:
                value, position = _varint(data, position)
                yield tag >> 3, value
                continue
            case 1:
                length = 8
            case 2:
                length, position = _varint(data, position)
            case 5:
                length = 4
            case _:
                raise ValueError("unknown wire type")
        if position + length > len(data):
            raise ValueError("cut short")
        yield tag >> 3, data[position : position + length]
        position += length


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("number too long")
