"""What may be a name, a label or its value, and what is said of the others.

Words and patterns are those of k8s.io/apimachinery's ``pkg/util/validation``.
"""

from collections.abc import Iterator
from typing import Final

import re2

_LONGEST_NAME: Final = 253
_LONGEST_LABEL: Final = 63

_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL_1035: Final = "[a-z]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_QUALIFIED: Final = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE: Final = f"({_QUALIFIED})?"

_LABEL_RULE: Final = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    f"for validation is '{_LABEL}')"
)
_LABEL_1035_RULE: Final = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
    f"regex used for validation is '{_LABEL_1035}')"
)
_SUBDOMAIN_RULE: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    f"for validation is '{_SUBDOMAIN}')"
)
_QUALIFIED_RULE: Final = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    f"validation is '{_QUALIFIED}')"
)
_VALUE_RULE: Final = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  "
    f"or '12345', regex used for validation is '{_VALUE}')"
)


def label_mistakes(text: str) -> Iterator[str]:
    """What is wrong with ``text`` as a label of a domain name, RFC 1123."""
    if len(text) > _LONGEST_LABEL:
        yield f"must be no more than {_LONGEST_LABEL} characters"
    if not re2.fullmatch(_LABEL, text):
        yield "must not contain dots" if re2.fullmatch(_SUBDOMAIN, text) else _LABEL_RULE


def label_1035_mistakes(text: str) -> Iterator[str]:
    """What is wrong with ``text`` as a label of a domain name, RFC 1035."""
    if len(text) > _LONGEST_LABEL:
        yield f"must be no more than {_LONGEST_LABEL} characters"
    if not re2.fullmatch(_LABEL_1035, text):
        yield _LABEL_1035_RULE


def subdomain_mistakes(text: str) -> Iterator[str]:
    """What is wrong with ``text`` as a domain name."""
    if len(text) > _LONGEST_NAME:
        yield f"must be no more than {_LONGEST_NAME} characters"
    if not re2.fullmatch(_SUBDOMAIN, text):
        yield _SUBDOMAIN_RULE


def qualified_mistakes(text: str) -> Iterator[str]:
    """What is wrong with ``text`` as the key of a label."""
    prefix, slash, last = text.rpartition("/")
    if "/" in prefix:
        yield (
            "a valid label key "
            f"{_QUALIFIED_RULE} with an optional DNS subdomain prefix and '/' (e.g. "
            "'example.com/MyName')"
        )
        return
    if slash and not prefix:
        yield "prefix part must be non-empty"
    elif slash and not re2.fullmatch(_SUBDOMAIN, prefix):
        yield f"prefix part {_SUBDOMAIN_RULE}"
    if not last:
        yield "name part must be non-empty"
    elif len(last) > _LONGEST_LABEL:
        yield f"name part must be no more than {_LONGEST_LABEL} bytes"
    if not re2.fullmatch(_QUALIFIED, last):
        yield f"name part {_QUALIFIED_RULE}"


def value_mistakes(text: str) -> Iterator[str]:
    """What is wrong with ``text`` as the value of a label."""
    if len(text) > _LONGEST_LABEL:
        yield f"must be no more than {_LONGEST_LABEL} bytes"
    if not re2.fullmatch(_VALUE, text):
        yield _VALUE_RULE
