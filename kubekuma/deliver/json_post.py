"""A JSON document by POST: what most services take."""

import json
from typing import Any

from kubekuma.deliver.request import Request


def json_post(url: str, document: Any, *headers: tuple[str, str], method: str = "POST") -> Request:
    """The request that posts ``document``."""
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    return Request(
        url=url,
        method=method,
        headers=(("Content-Type", "application/json; charset=utf-8"), *headers),
        body=body,
    )
