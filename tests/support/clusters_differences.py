"""Where the embedded API does not answer as the real machinery does, and why.

docs/decisions/0008-differences-to-a-real-api-server.md tells the same to readers. A story that
is listed here and has no difference any more fails.
"""

from collections.abc import Mapping
from typing import Final

WORDS: Final = "same code and reason; the words of Go's decoders are not imitated"
_FAULT: Final = "the real machinery blames itself (500) for what is the client's mistake"
_BUILTIN: Final = "values of a wrong type are refused as invalid (422), not as unreadable (400)"

# Story: reason.
DIFFERENCES: Final[Mapping[str, str]] = {
    "create with a version": _FAULT,
    "replace with a bad version": _FAULT,
    "watch from a bad version": _FAULT,
    "apply what is unknown": _FAULT,
    "apply entries twice": _FAULT,
    "create without kind": WORDS,
    "create with labels that are no texts": WORDS,
    "create with metadata of a wrong type": WORDS,
    "no body": WORDS,
    "half a body": WORDS,
    "a list as body": WORDS,
    "apply without kind": WORDS,
    "apply what is no yaml": WORDS,
    "delete with bad options": WORDS,
    "select badly": WORDS,
    "watch badly": WORDS,
    "list badly": WORDS,
    "a definition with a bad pattern": WORDS,
    "a definition that stores nothing": WORDS,
    "fields given twice": "only the name of the field is told, not its path",
    "replace with another uid": "the real machinery tells the key in etcd",
    "merge what is unknown": "the real machinery shows the whole object (422); ours says which"
    " field is unknown (400), as both do for whole objects",
    "status": "the real machinery leaves the prefix 'status' out of one of two paths",
    "forms of answers": "there is no other form than JSON",
    "a path outside of the API": "there is no index of all paths",
    "create where it will be": "the real machinery takes a POST to the path of one object",
    "a definition with a bad rule": "rules are parsed when they come, but not checked for types",
    "configmaps": _BUILTIN,
    "a lease": _BUILTIN,
}
