"""What kube-apiserver's CEL knows beyond the language itself: its libraries, a module each.

The engine passes plain values only. What is more than those, such as an address, goes through it
as an ``opaque`` value. As the engine finds functions by their names, functions of several libraries
with one name are joined here; each then looks at what it is given.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from kubekuma.standalone.functions.addresses import ADDRESSES
from kubekuma.standalone.functions.formats import FORMATS
from kubekuma.standalone.functions.opaque import by_kind
from kubekuma.standalone.functions.quantities import QUANTITIES, QUANTITY
from kubekuma.standalone.functions.texts import TEXTS
from kubekuma.standalone.functions.urls import URLS
from kubekuma.standalone.functions.versions import VERSION, VERSIONS

_COMPARISONS: Final = {
    name: by_kind({QUANTITY: QUANTITIES[name], VERSION: VERSIONS[name]})
    for name in ("isGreaterThan", "isLessThan", "compareTo")
}

# A function in a namespace stands here by its full name: ``format.uri``.
FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    **TEXTS,
    **URLS,
    **ADDRESSES,
    **FORMATS,
    **QUANTITIES,
    **VERSIONS,
    **_COMPARISONS,
}
