"""What the API says about itself: version, groups, resources and schemas."""

from typing import Final

from kubekuma.standalone.answers import Answer, json_answer
from kubekuma.standalone.catalog import Catalog
from kubekuma.standalone.codec import encoded
from kubekuma.standalone.discovery import (
    AGGREGATED,
    aggregated,
    core_versions,
    group_document,
    group_list,
    resource_list,
    wants_aggregated,
)
from kubekuma.standalone.openapi import EMPTY_V2, EMPTY_V2_TYPE, OpenApi
from kubekuma.standalone.requests import Request

# Of the API that is imitated: clients take it for what they may expect.
VERSION: Final = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.0+kubekuma",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "none",
    "compiler": "none",
    "platform": "linux/amd64",
}


class About:
    """Answers to what is not about objects."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._openapi = OpenApi(catalog)

    def answer(self, request: Request) -> Answer | None:
        """Answer ``request``; None if its path leads to objects."""
        catalog, accept = self._catalog, request.headers.get("accept", "")
        match request.path.strip("/").split("/"):
            case ["version"]:
                return json_answer(VERSION)
            case ["api" | "apis" as root] if wants_aggregated(accept):
                body = encoded(aggregated(catalog, core=root == "api"))
                return Answer(body=body, content_type=AGGREGATED)
            case ["api"]:
                return json_answer(core_versions())
            case ["apis"]:
                return json_answer(group_list(catalog))
            case ["apis", group]:
                return json_answer(group_document(catalog, group))
            case ["api", version]:
                return json_answer(resource_list(catalog, "", version))
            case ["apis", group, version]:
                return json_answer(resource_list(catalog, group, version))
            case ["openapi", "v2"]:
                return Answer(body=EMPTY_V2, content_type=EMPTY_V2_TYPE)
            case ["openapi", "v3"]:
                return json_answer(self._openapi.index())
            case ["openapi", "v3", *rest]:
                return Answer(body=self._openapi.document("/".join(rest)))
            case _:
                return None
