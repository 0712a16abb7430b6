"""``kubekuma standalone``: everything in one process, with a small Kubernetes API of its own."""

import argparse
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

import attrs
import structlog
import trio

from kubekuma.app import run_program
from kubekuma.cli.environment import (
    Environment,
    Mistake,
    declare_environment,
    parse_listen,
    read_environment,
)
from kubekuma.cli.process import Losing, run_service
from kubekuma.kit.log import configure_logging
from kubekuma.model.kinds import KINDS
from kubekuma.model.schema import crd
from kubekuma.parts import Config
from kubekuma.standalone.server import serve_embedded_api

_log = structlog.get_logger(__name__)

_PLACES: Final = """
  KubeKuma is running.

    API         {url}/api/v1/monitors
    metrics     {url}/metrics
    kubeconfig  {kubeconfig}
    data        {data}

  kubectl --kubeconfig {kubeconfig} get monitors -A
"""


@attrs.frozen(kw_only=True)
class Standalone:
    """What the command was told."""

    environment: Environment
    manifests: Path | None
    kube_listen: str


def declare(command: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    declare_environment(command)
    command.add_argument(
        "--manifests",
        metavar="DIR",
        type=Path,
        help="apply what is in DIR, now and when it changes",
    )
    command.add_argument(
        "--kube-listen",
        metavar="HOST:PORT",
        default="127.0.0.1:0",
        help="where kubectl reaches the API; loopback only; default: any port, kept from then on",
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Run until SIGTERM: exit 0; a second one: exit 130; others may lead: exit 75."""
    # Another cluster's kubeconfig has nothing to say here.
    without = {name: value for name, value in environ.items() if name != "KUBECONFIG"}
    environment = read_environment(options, without)
    if options.manifests is not None and not options.manifests.is_dir():
        raise Mistake(f"--manifests is {str(options.manifests)!r}: must be a directory")
    try:
        parse_listen(options.kube_listen)
    except ValueError as error:
        raise Mistake(f"--kube-listen is {options.kube_listen!r}: {error}") from error
    configure_logging(environment.log_level)
    environment.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    return run_service(
        partial(
            _serve,
            Standalone(
                environment=environment,
                manifests=options.manifests,
                kube_listen=options.kube_listen,
            ),
        )
    )


async def _serve(told: Standalone, stop: trio.Event, losing: Losing) -> None:
    """Run the API, and beside it the program: the API starts first and ends last."""
    environment = told.environment
    api_stop = trio.Event()
    async with trio.open_nursery() as api:
        endpoint = await api.start(
            partial(
                serve_embedded_api,
                environment.data,
                [crd(kind) for kind in KINDS],
                listen=told.kube_listen,
                stop=api_stop,
                namespaces=(environment.kube_namespace,),
                manifests=told.manifests,
            )
        )
        config = Config(
            database=environment.database,
            kubeconfig=endpoint.kubeconfig,
            listen=environment.listen,
            watch_namespaces=environment.watch_namespaces,
            kube_namespace=environment.kube_namespace,
            pod=environment.pod,
            external_url=environment.external_url,
            # There is no other history that could come: this directory is all there is.
            timing=attrs.evolve(environment.timing, history_seconds=0.0),
            embedded=True,
        )
        try:
            async with trio.open_nursery() as nursery:
                url = await nursery.start(partial(run_program, config, stop=stop, losing=losing))
                _say_where(url, endpoint.kubeconfig, environment.data)
        finally:
            api_stop.set()


def _say_where(url: str, kubeconfig: Path, data: Path) -> None:
    if sys.stdout.isatty():
        print(_PLACES.format(url=url, kubeconfig=kubeconfig, data=data), flush=True)
    else:
        _log.info("running", url=url, kubeconfig=str(kubeconfig), data=str(data))
