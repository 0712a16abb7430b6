"""Bodies to JSON values and back, with the care that Kubernetes takes.

Duplicate fields are noticed, NaN is none of JSON, and one U+0085 in a string
stays what it was.
"""

import json
from typing import Any, Final

import yaml

from kubekuma.kit.documents import json_value, yaml_documents
from kubekuma.standalone.errors import bad_request

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)


def encoded(value: Any) -> bytes:
    """``value`` as compact JSON."""
    # A lone surrogate, which JSON can name and UTF-8 cannot, becomes a question mark.
    return _ENCODER.encode(value).encode("utf-8", "replace")


def decoded_json(body: bytes) -> tuple[Any, tuple[str, ...]]:
    """Decode ``body``, and name the fields that it gives twice."""
    try:
        return json_value(body)
    except ValueError as error:
        raise bad_request(f"error decoding the body of the request: {error}") from None


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
