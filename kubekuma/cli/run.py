"""``kubekuma run``: watch a cluster's resources and check what they say."""

import argparse
from collections.abc import Mapping
from functools import partial

import structlog
import trio

from kubekuma.app import run_program
from kubekuma.cli.environment import declare_environment, prepare_folder, read_environment
from kubekuma.cli.process import Losing, run_service
from kubekuma.kit.log import configure_logging
from kubekuma.parts import Config

_log = structlog.get_logger(__name__)


def declare(command: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    declare_environment(command)
    command.add_argument(
        "--kubeconfig", metavar="FILE", help="KUBECONFIG; ~/.kube/config, or the pod's account"
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Run until SIGTERM: exit 0; a second one: exit 130; others may lead: exit 75."""
    environment = read_environment(options, environ)
    configure_logging(environment.log_level)
    prepare_folder(environment.database)
    config = Config(
        database=environment.database,
        kubeconfig=environment.kubeconfig,
        listen=environment.listen,
        watch_namespaces=environment.watch_namespaces,
        kube_namespace=environment.kube_namespace,
        pod=environment.pod,
        external_url=environment.external_url,
        timing=environment.timing,
    )
    return run_service(partial(_serve, config))


async def _serve(config: Config, stop: trio.Event, losing: Losing) -> None:
    async with trio.open_nursery() as nursery:
        url = await nursery.start(partial(run_program, config, stop=stop, losing=losing))
        _log.info("running", url=url, database=config.database.shown)
