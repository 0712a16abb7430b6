"""What the API serves: one ``Resource`` for each kind and version."""

from typing import Any, Final, TypeAlias

import attrs

from kubekuma.kit.structural import Schema
from kubekuma.standalone.rules import RuleNode

Object: TypeAlias = dict[str, Any]

VERBS: Final = (
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
)
CRDS: Final = "customresourcedefinitions.apiextensions.k8s.io"
NAMESPACES: Final = "namespaces"


@attrs.frozen
class Column:
    """A column of ``kubectl get``: an additionalPrinterColumn."""

    name: str
    type: str
    path: str
    priority: int = 0
    description: str = ""


@attrs.frozen(kw_only=True, eq=False)
class Resource:
    """One kind in one version.

    Kinds that share a ``storage`` are views of the same objects.
    """

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    has_status: bool = False
    custom: bool = False
    schema: Schema
    columns: tuple[Column, ...] = ()
    selectable: tuple[str, ...] = ()
    storage: str
    # The version in which its objects are kept, if that may be another.
    storage_version: str = ""
    # The revision of its definition: objects that are older may lack what it has added.
    since: int = 0
    rules: RuleNode | None = None
    verbs: tuple[str, ...] = VERBS

    @property
    def api_version(self) -> str:
        """``group/version``, or the version alone in the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """``plural.group``: how messages name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def root(self) -> str:
        """The path under which its version is served."""
        return f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"
