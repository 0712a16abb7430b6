"""HTTP checker: the resource answers as it should."""

from collections.abc import Sequence

from kubekuma.check.context import Check
from kubekuma.check.expect import wants_body
from kubekuma.check.fetch import fetch
from kubekuma.check.finding import Finding
from kubekuma.check.judge import judge_http
from kubekuma.model.criteria import SuccessCriteria
from kubekuma.model.target import HttpTarget


async def check_http(
    target: HttpTarget, criteria: SuccessCriteria, check: Check
) -> Sequence[Finding]:
    """Fetch ``target`` and judge status, latency and headers."""
    answer = await fetch(target, check, want_body=wants_body(criteria.expect))
    now = check.context.now()
    return await check.work(
        len(answer.body), lambda: list(judge_http("http", answer, criteria, check, now))
    )
