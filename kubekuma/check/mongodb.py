"""MongoDB checker: the server lets us in and takes a command."""

from collections.abc import Sequence
from typing import Final

from kubekuma.check.context import Check
from kubekuma.check.dial import dial
from kubekuma.check.finding import CheckFailed, Finding
from kubekuma.check.judge_service import judge_service
from kubekuma.check.login import destination, login_of
from kubekuma.check.mongodb_login import log_in
from kubekuma.check.mongodb_wire import MongoWire
from kubekuma.check.trace import Phase
from kubekuma.model.criteria import SuccessCriteria
from kubekuma.model.result import Reason
from kubekuma.model.target import MongodbTarget

PORT: Final = 27017
# Commands that need no argument and leave another server behind: MongoDB has no read-only mode.
_NEVER: Final = frozenset(
    {
        "abortTransaction",
        "commitTransaction",
        "dropAllRolesFromDatabase",
        "dropAllUsersFromDatabase",
        "dropConnections",
        "dropDatabase",
        "fsync",
        "fsyncUnlock",
        "invalidateUserCache",
        "logRotate",
        "planCacheClear",
        "replSetAbortPrimaryCatchUp",
        "replSetInitiate",
        "replSetResizeOplog",
        "replSetStepDown",
        "replSetStepUp",
        "shutdown",
    }
)


async def check_mongodb(
    target: MongodbTarget, criteria: SuccessCriteria, check: Check
) -> Sequence[Finding]:
    """Log in if there are credentials, and give the command; the answer is a document in JSON."""
    if target.command in _NEVER:
        why = f"{target.command} is not run: it changes what it is asked of"
        raise CheckFailed(Reason.COMMAND_FAILED, why)
    login = await login_of(target.credentials, check)
    # Before the first phase: this is not the target's time.
    await check.context.threads.load("bson.json_util", check.trace)
    wire = await dial(destination(target, PORT), check)
    try:
        check.trace.enter(Phase.FIRST_BYTE, "waiting for the server to let us in")
        server = MongoWire(wire)
        await log_in(server, login, check)
        check.trace.enter(Phase.TRANSFER, "waiting for an answer to the command")
        check.trace.say("> %s in %s", target.command, target.database)
        output = server.json(await server.ask(target.database, {target.command: 1}))
        check.trace.say("< %s", output)
    finally:
        wire.close()
    return judge_service("mongodb", output, criteria, check)
