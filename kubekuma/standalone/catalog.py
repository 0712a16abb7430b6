"""The kinds that are served at the moment: those built in, and those of the CRDs."""

from collections.abc import Iterator, Mapping

from kubekuma.standalone.builtins import BUILTINS
from kubekuma.standalone.definitions import custom_resources
from kubekuma.standalone.resources import Object, Resource


class Catalog:
    """Resources by where they are served. Changes when CRDs come, change and go."""

    def __init__(self) -> None:
        self._by_path = {(each.group, each.version, each.plural): each for each in BUILTINS}
        self._by_storage = {each.storage: each for each in reversed(BUILTINS)}
        self._by_kind = {(each.api_version, each.kind): each for each in BUILTINS}
        # Clients cache documents under it.
        self.edition = 0

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._by_path.values())

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """Look up the resource served at this path."""
        return self._by_path.get((group, version, plural))

    def find_kind(self, api_version: str, kind: str) -> Resource | None:
        """Look up the resource with this apiVersion and kind."""
        return self._by_kind.get((api_version, kind))

    def by_storage(self, storage: str) -> Resource:
        """Return a resource through which all objects of ``storage`` can be seen."""
        return self._by_storage[storage]

    def storages(self) -> list[Resource]:
        """One resource for each storage."""
        return list(self._by_storage.values())

    def groups(self) -> Mapping[str, Mapping[str, list[Resource]]]:
        """Resources by group and version."""
        found: dict[str, dict[str, list[Resource]]] = {}
        for each in self:
            found.setdefault(each.group, {}).setdefault(each.version, []).append(each)
        return found

    def install(self, crd: Object) -> None:
        """Serve what ``crd`` defines, instead of what it did before."""
        self.remove(crd)
        for each in custom_resources(crd):
            self._by_path[each.group, each.version, each.plural] = each
            self._by_storage[each.storage] = each
            self._by_kind[each.api_version, each.kind] = each

    def remove(self, crd: Object) -> None:
        """Serve it no more."""
        self.edition += 1
        names = crd["spec"]["group"], crd["spec"]["names"]["plural"]
        for path, each in tuple(self._by_path.items()):
            if each.custom and (each.group, each.plural) == names:
                del self._by_path[path]
                self._by_storage.pop(each.storage, None)
                self._by_kind.pop((each.api_version, each.kind), None)
