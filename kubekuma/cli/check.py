"""``kubekuma check``: run one monitor once, and show what happens."""

import argparse
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import attrs
import trio

from kubekuma.check.available import missing
from kubekuma.check.context import CheckContext
from kubekuma.check.inside import Inside
from kubekuma.check.run import run_check
from kubekuma.check.tls_context import SslContexts
from kubekuma.cli.environment import Mistake
from kubekuma.cli.given import Secrets, chosen, declare_secrets, given_secrets, manifests_in
from kubekuma.cli.inside import InFiles, in_files, looking
from kubekuma.kit.log import configure_logging
from kubekuma.model.kinds import MONITOR
from kubekuma.model.meta import SecretKeyRef
from kubekuma.model.monitor import Monitor
from kubekuma.model.result import CheckResult, Outcome
from kubekuma.model.settings import AddressPolicy, Networking

PASSED: Final = 0
FAILED: Final = 1
_PHASES: Final = ("dns", "connect", "tls", "first_byte", "transfer")


def declare(command: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    command.epilog = "Exit status: 0 passed or degraded, 1 failed or unknown, 2 a bad manifest."
    command.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="manifest with a Monitor; a group's members are looked for in it",
    )
    command.add_argument("--name", help="which Monitor, if the file has several")
    declare_secrets(command)
    command.add_argument("--json", action="store_true", help="print the result as JSON")
    command.set_defaults(run=run)


def run(options: argparse.Namespace, _: Mapping[str, str]) -> int:
    """Check the monitor and print what came of it."""
    configure_logging("error", sys.stderr)
    monitor: Monitor = chosen(MONITOR, options.file, options.name)
    lacking = missing(monitor.spec)
    if lacking is not None:
        raise Mistake(f"{options.file}: this version has no checker for {lacking}")
    others = in_files(manifests_in(options.file))
    result = trio.run(_check, monitor, others, given_secrets(options))
    print(json.dumps(view(monitor, result), indent=2) if options.json else text(monitor, result))
    good = result.outcome in {Outcome.PASSED, Outcome.DEGRADED}
    return PASSED if good is not monitor.spec.invert else FAILED


async def _check(monitor: Monitor, others: InFiles, secrets: Secrets) -> CheckResult:
    async def secret(_: str, ref: SecretKeyRef) -> bytes | None:
        await trio.lowlevel.checkpoint()
        return secrets.get((ref.name, ref.key))

    # A person at a terminal may look at whatever that terminal can reach.
    everything = AddressPolicy(allow_cidrs=("0.0.0.0/0", "::/0"))
    context = CheckContext(
        networking=Networking(targets=everything),
        default_timeout_seconds=10,
        secret=secret,
        dns_limiter=trio.CapacityLimiter(4),
        contexts=SslContexts(),
        now=partial(datetime.now, UTC),
    )

    async def check(each: Monitor, inside: Inside) -> CheckResult:
        return await run_check(each, attrs.evolve(context, inside=inside), transcript=True)

    async with looking(monitor, others, check) as inside:
        return await check(monitor, inside)


def text(monitor: Monitor, result: CheckResult) -> str:
    """The result for people."""
    spec = monitor.spec
    lines = [f"{monitor.meta.key}  {spec.type.value}  {spec.target_text}", ""]
    lines += [f"  {line}" for line in result.transcript]
    lines += ["", f"{result.outcome.value}: {result.reason.value}"]
    if result.message:
        lines[-1] += f": {result.message}"
    if spec.invert:
        lines[-1] += "  (inverted: a pass fails and a fail passes)"
    phases = [
        f"{phase.replace('_', ' ')} {seconds * 1000:.1f} ms"
        for phase in _PHASES
        if (seconds := getattr(result.timings, phase)) is not None
    ]
    if phases:
        lines.append(f"{result.latency_seconds * 1000:.1f} ms ({', '.join(phases)})")
    if result.certificate is not None:
        shown = result.certificate
        valid = "valid" if shown.valid else "not valid"
        lines.append(f"certificate: {shown.subject}, until {shown.expires_at:%Y-%m-%d}, {valid}")
    return "\n".join(lines)


def view(monitor: Monitor, result: CheckResult) -> Mapping[str, object]:
    """The result for programs; times in milliseconds."""
    certificate = result.certificate
    return {
        "monitor": str(monitor.meta.key),
        "outcome": result.outcome.value,
        "reason": result.reason.value,
        "message": result.message,
        "latencyMs": round(result.latency_seconds * 1000, 3),
        "phasesMs": {
            phase: round(seconds * 1000, 3)
            for phase in _PHASES
            if (seconds := getattr(result.timings, phase)) is not None
        },
        "peer": result.peer,
        "statusCode": result.status_code,
        "certificate": None
        if certificate is None
        else {
            "subject": certificate.subject,
            "issuer": certificate.issuer,
            "expiresAt": certificate.expires_at.isoformat(),
            "valid": certificate.valid,
        },
        "transcript": list(result.transcript),
    }
