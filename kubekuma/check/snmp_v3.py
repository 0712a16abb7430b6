"""SNMP version 3: finding out who the agent is, and asking it as one of its users (RFC 3414)."""

import secrets
from typing import Final

import attrs
import trio

from kubekuma.check import ber, usm
from kubekuma.check.context import Check
from kubekuma.check.datagram import Datagrams, open_datagrams
from kubekuma.check.finding import CheckFailed, Finding
from kubekuma.check.login import Login, login_of
from kubekuma.check.snmp_pdu import REPORT, RESPONSE, Response, parse_answer, question
from kubekuma.model.result import Reason
from kubekuma.model.target import Credentials, SnmpTarget

_STATISTICS: Final = "1.3.6.1.6.3.15.1.1."
_NOT_IN_TIME: Final = f"{_STATISTICS}2.0"
_REPORTS: Final = {
    f"{_STATISTICS}1.0": (Reason.AUTH_FAILED, "the user has no such security level"),
    _NOT_IN_TIME: (Reason.AUTH_FAILED, "it does not take the time that it has told itself"),
    f"{_STATISTICS}3.0": (Reason.AUTH_FAILED, "it does not know the user"),
    f"{_STATISTICS}5.0": (Reason.AUTH_FAILED, "the passphrase or authProtocol is wrong"),
    f"{_STATISTICS}6.0": (Reason.AUTH_FAILED, "it cannot decrypt what we encrypt"),
    "1.3.6.1.6.3.12.1.5.0": (Reason.COMMAND_FAILED, "it does not know the context"),
}
# What deriving a key hashes, for each of as many as there are at most.
_KEYS_BYTES: Final = 4 * 1024 * 1024


async def ask_as_user(target: SnmpTarget, check: Check) -> Response:
    """Ask for the object, at the security level that follows from the protocols given."""
    login = await login_of(target.credentials, check)
    private = await _privacy_passphrase(target, login, check)
    datagrams = await open_datagrams(target.host, target.port, check)
    try:
        conversation = _Conversation(datagrams)
        _, engine = await conversation.ask(usm.Engine(), usm.User(), b"")
        check.trace.say("< engine %s", engine.identity.hex())
        met_at = trio.current_time()
        size = _KEYS_BYTES if target.auth_protocol else 0
        user = await check.work(size, lambda: _user(target, login, private, engine.identity))
        check.trace.at_deadline = _silence(target)
        now = attrs.evolve(engine, seconds=engine.seconds + int(trio.current_time() - met_at))
        context = target.context_name.encode("utf-8", "replace")
        answer, told = await conversation.ask(now, user, context, target.oid)
        if answer.report == _NOT_IN_TIME:
            # Not all say when they meet us what time it is.
            answer, _ = await conversation.ask(told, user, context, target.oid)
        check.trace.at_deadline = None
    finally:
        datagrams.close()
    if answer.report:
        reason, why = _REPORTS.get(answer.report, (Reason.COMMAND_FAILED, f"{answer.report}"))
        raise CheckFailed(reason, f"the agent reports: {why}")
    return answer.response


def _silence(target: SnmpTarget) -> Finding | None:
    """What to say of an agent that says who it is, and nothing more: None if nothing is likely.

    Of AES it cannot tell a wrong key; what it decrypts then is no message. And Net-SNMP says
    nothing in a context that it does not know.
    """
    suspects = ["the passphrase for privacy", "privProtocol"] if target.priv_protocol else []
    suspects += ["contextName"] if target.context_name else []
    if not suspects:
        return None
    message = "the agent says who it is, but does not answer: wrong may be"
    return Finding(Reason.AUTH_FAILED, f"{message} {' or '.join(suspects)}")


@attrs.frozen(kw_only=True)
class _Answer:
    """An answer, or the object in a report: what the agent counts our message among."""

    response: Response
    report: str = ""


class _Conversation:
    """Questions to one agent."""

    def __init__(self, datagrams: Datagrams) -> None:
        self._datagrams = datagrams

    async def ask(
        self, engine: usm.Engine, user: usm.User, context: bytes, *oids: str
    ) -> tuple[_Answer, usm.Engine]:
        """Ask for an object, or without one for a report; return the engine that answers."""
        number = secrets.randbelow(2**31)
        scoped = ber.encode(
            ber.SEQUENCE,
            ber.encode(ber.OCTETS, engine.identity),
            ber.encode(ber.OCTETS, context),
            question(number, *oids),
        )
        sealed = usm.seal(number, scoped, engine, user, secrets.token_bytes(8))

        def accept(data: bytes) -> tuple[_Answer, usm.Engine] | None:
            message = usm.unseal(data, user)
            if message is None or message.number != number:
                return None
            answer = _answer(message, number)
            # Reports to somebody unknown cannot be signed. All else must be, as the question is.
            if answer is None or (not answer.report and message.flags != user.flags):
                return None
            return answer, message.engine

        return await self._datagrams.ask(sealed, accept)


def _answer(message: usm.Message, number: int) -> _Answer | None:
    try:
        _, _, pdu = ber.elements(message.content.body)
        match pdu.tag:
            case tag if tag == RESPONSE:
                response = parse_answer(pdu, number)
                return None if response is None else _Answer(response=response)
            case tag if tag == REPORT:
                # Its number is that of a question that the agent may not have read.
                report = parse_answer(pdu, None)
                oid = report.oid if report is not None else ""
                return _Answer(response=Response(), report=oid) if oid else None
            case _:
                return None
    except (ValueError, StopIteration):
        return None


async def _privacy_passphrase(target: SnmpTarget, login: Login, check: Check) -> str:
    ref = target.priv_password_secret_ref
    if ref is None:
        return login.password
    return (await login_of(Credentials(password_secret_ref=ref), check)).password


def _user(target: SnmpTarget, login: Login, private: str, engine: bytes) -> usm.User:
    name = login.user.encode("utf-8", "replace")
    auth, privacy = target.auth_protocol, target.priv_protocol
    if auth is None:
        return usm.User(name=name)
    if not login.password or not private:
        raise CheckFailed(Reason.SECRET_MISSING, "a passphrase is empty")
    hidden = private.encode("utf-8", "replace")
    return usm.User(
        name=name,
        auth=auth,
        auth_key=usm.auth_key(auth, login.password.encode("utf-8", "replace"), engine),
        priv_key=usm.priv_key(auth, privacy, hidden, engine) if privacy else b"",
    )
