"""JSON values for hypothesis: any at all, and those that fit a structural schema."""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from kubekuma.kit.structural import problems

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(), max_size=8)
    | st.sampled_from(["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "a²", "\ud800"])
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=12,
)


def fitting(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Values that fit ``schema``; what is required or drawn is there, defaults are not."""
    return _of(schema).filter(lambda value: not any(problems(schema, value)))


def spoilt(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Values that nearly fit ``schema``: any part may be anything instead."""
    return st.one_of(_of(schema, spoil=True), anything)


def _of(schema: Mapping[str, Any], *, spoil: bool = False) -> st.SearchStrategy[Any]:
    fine = _fine(schema, spoil=spoil)
    # One part in ten: more, and nothing would be left to look at.
    return st.integers(0, 9).flatmap(lambda n: anything if n == 0 else fine) if spoil else fine


def _fine(schema: Mapping[str, Any], *, spoil: bool) -> st.SearchStrategy[Any]:
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return st.booleans() | st.integers(-99, 99) | st.text(max_size=4)
    if schema.get("x-kubernetes-int-or-string"):
        return st.integers(-99, 99) | st.integers(-99, 99).map(str)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema["type"]:
        case "object":
            return _object(schema, spoil=spoil)
        case "array":
            least, unique = schema.get("minItems", 0), schema["x-kubernetes-list-type"] != "atomic"
            key = repr if unique else None
            return st.lists(
                _of(schema["items"], spoil=spoil), min_size=least, max_size=2, unique_by=key
            )
        case "integer":
            low, high = schema.get("minimum", -9), schema.get("maximum", 99)
            # Mostly the same few numbers, so that two fields are often equal.
            return st.integers(low, min(low + 2, high)) | st.integers(low, high)
        case "boolean":
            return st.booleans()
        case _:
            return _text(schema)


def _object(schema: Mapping[str, Any], *, spoil: bool) -> st.SearchStrategy[Any]:
    if "additionalProperties" in schema:
        inner = _of(schema["additionalProperties"], spoil=spoil)
        return st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=2)
    required = set(schema.get("required", ()))
    parts = {
        name: st.deferred(lambda inner=inner: _of(inner, spoil=spoil))  # type: ignore[misc]
        for name, inner in schema.get("properties", {}).items()
    }

    def of_some(names: list[str]) -> st.SearchStrategy[Any]:
        chosen = required | set(names)
        return st.fixed_dictionaries({name: parts[name] for name in parts if name in chosen})

    if not parts:
        return st.just({})
    return st.lists(st.sampled_from(sorted(parts)), max_size=4, unique=True).flatmap(of_some)


def _text(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    if schema.get("format") == "date-time":
        return st.sampled_from(["2026-01-02T03:04:05Z", "2026-01-02T05:04:05+01:00"])
    pattern = schema.get("pattern")
    if pattern:
        known = [
            *("http://example.org/", "wss://example.org/", "GET", "200-299", "X-A", "99.9", "12"),
            *("192.0.2.0/24", "example.org:443", "status", "a", "up", "udp", "1.3.6.1", "/run/a"),
            *("unix:///run/a", "SHA256:" + "A" * 43, "ab" * 32, ":a:", "@a", "a@b", "!a:b"),
            *("POST", "08:00", "24:00", "tag", "FREQ=DAILY", "#fff", "auto", "apps/v1"),
        ]
        fits = [text for text in known if not any(problems(schema, text))]
        return st.sampled_from(fits)
    least = schema.get("minLength", 0)
    return st.text("ab$.é(", min_size=least, max_size=max(3, least))
