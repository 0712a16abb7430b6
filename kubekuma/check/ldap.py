"""LDAP checker: the directory lets us in and finds an entry (RFC 4511)."""

from collections.abc import Sequence
from typing import Final

from kubekuma.check import ber
from kubekuma.check.context import Check
from kubekuma.check.dial import dial
from kubekuma.check.finding import CheckFailed, Finding
from kubekuma.check.judge_service import judge_service
from kubekuma.check.ldap_filter import encode_filter
from kubekuma.check.login import Login, destination, login_of
from kubekuma.check.reader import Reader
from kubekuma.check.trace import Phase
from kubekuma.check.wire import Wire
from kubekuma.model.criteria import SuccessCriteria
from kubekuma.model.result import Reason
from kubekuma.model.target import LdapTarget

PORT: Final = 389
TLS_PORT: Final = 636
MOST_BYTES: Final = 1024 * 1024
MOST_REFERENCES: Final = 64

_BIND, _BIND_DONE, _SEARCH, _ENTRY, _SEARCH_DONE, _REFERENCE = 0x60, 0x61, 0x63, 0x64, 0x65, 0x73
_UNBIND: Final = 0x42
_NOT_LET_IN: Final = frozenset({7, 8, 13, 48, 49, 50, 53})
_SIZE_LIMIT_EXCEEDED: Final = 4
_NAMES: Final = {
    8: "strongerAuthRequired",
    13: "confidentialityRequired",
    32: "noSuchObject",
    34: "invalidDNSyntax",
    48: "inappropriateAuthentication",
    49: "invalidCredentials",
    50: "insufficientAccessRights",
    51: "busy",
    52: "unavailable",
    53: "unwillingToPerform",
}


async def check_ldap(
    target: LdapTarget, criteria: SuccessCriteria, check: Check
) -> Sequence[Finding]:
    """Bind, search below ``baseDn``, and take the first entry, as lines of ``name: value``.

    Without a ``baseDn`` it is the root entry, which says what the server can do.
    """
    try:
        wanted = encode_filter(target.filter)
    except ValueError as error:
        raise CheckFailed(Reason.COMMAND_FAILED, f"the filter cannot be sent: {error}") from error
    login = await login_of(target.credentials, check)
    wire = await dial(destination(target, PORT, TLS_PORT), check)
    try:
        check.trace.enter(Phase.FIRST_BYTE, "waiting for an answer to the bind")
        output = await _talk(wire, target, wanted, login, check)
        await wire.send(_message(3, ber.encode(_UNBIND)))
    finally:
        wire.close()
    return judge_service("ldap", output, criteria, check)


async def _talk(
    wire: Wire, target: LdapTarget, wanted: bytes, login: Login, check: Check
) -> str | None:
    reader = Reader(wire, most=MOST_BYTES)
    who = ber.encode(ber.OCTETS, login.user.encode())
    password = ber.encode(0x80, login.password.encode())
    await wire.send(_message(1, ber.encode(_BIND, ber.integer(3), who, password)))
    _succeeded(await _read(reader), _BIND_DONE, "bind")
    check.trace.enter(Phase.TRANSFER, "waiting for an entry")
    check.trace.say("searching %s below %r", target.filter, target.base_dn)
    await wire.send(_message(2, _search(target, wanted)))
    entry: str | None = None
    for _ in range(MOST_REFERENCES):
        found = await _read(reader)
        if found.tag == _REFERENCE:
            continue
        if found.tag != _ENTRY:
            _succeeded(found, _SEARCH_DONE, "search")
            break
        entry = _entry(found) if entry is None else entry
    if entry is None:
        message = f"there is no entry {target.filter} below {target.base_dn!r}"
        raise CheckFailed(Reason.VALUE_MISMATCH, message)
    check.trace.say("< %s", entry)
    return entry


def _search(target: LdapTarget, wanted: bytes) -> bytes:
    scope = 2 if target.base_dn else 0  # whole subtree, or the root entry alone
    return ber.encode(
        _SEARCH,
        ber.encode(ber.OCTETS, target.base_dn.encode()),
        ber.integer(scope, ber.ENUMERATED),
        ber.integer(0, ber.ENUMERATED),  # aliases stay what they are
        ber.integer(1),  # entries at most
        ber.integer(0),  # seconds: the deadline is ours
        ber.encode(ber.BOOLEAN, b"\x00"),
        wanted,
        ber.encode(ber.SEQUENCE),
    )


def _message(number: int, operation: bytes) -> bytes:
    return ber.encode(ber.SEQUENCE, ber.integer(number), operation)


async def _read(reader: Reader) -> ber.Element:
    """Read one message; return its operation."""
    head = await reader.exactly(2)
    if head[0] != ber.SEQUENCE:
        raise _no_ldap()
    try:
        if head[1] & 0x80:
            head += await reader.exactly(head[1] & 0x7F)
        size, _ = ber.length(head, 1)
        _, operation, *_ = ber.elements(await reader.exactly(size))
    except ValueError as error:
        raise _no_ldap() from error
    return operation


def _succeeded(found: ber.Element, kind: int, doing: str) -> None:
    try:
        code, _, said, *_ = ber.elements(found.body)
    except ValueError as error:
        raise _no_ldap() from error
    if found.tag != kind:
        raise _no_ldap()
    number = ber.as_integer(code.body)
    # More entries than the one that was asked for are no failure.
    if number in {0, _SIZE_LIMIT_EXCEEDED}:
        return
    name = _NAMES.get(number, f"result code {number}")
    words = said.body.decode("utf-8", "replace")[:200]
    reason = Reason.AUTH_FAILED if number in _NOT_LET_IN else Reason.COMMAND_FAILED
    raise CheckFailed(reason, f"the {doing} fails: {name}{f' ({words})' if words else ''}")


def _entry(found: ber.Element) -> str:
    try:
        name, attributes, *_ = ber.elements(found.body)
        lines = [f"dn: {_text(name.body)}"]
        for each in ber.elements(attributes.body):
            attribute, values, *_ = ber.elements(each.body)
            known = _text(attribute.body)
            lines += [f"{known}: {_text(value.body)}" for value in ber.elements(values.body)]
    except ValueError as error:
        raise _no_ldap() from error
    return "\n".join(lines)


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")


def _no_ldap() -> CheckFailed:
    return CheckFailed(Reason.PROTOCOL_ERROR, "the answer is not LDAP")
