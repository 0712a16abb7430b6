"""The embedded Kubernetes API alone, for benchmarks: prints its kubeconfig once it is ready."""

import signal
import sys
from functools import partial
from pathlib import Path

import trio

from kubekuma.model.kinds import KINDS
from kubekuma.model.schema import crd
from kubekuma.standalone.server import serve_embedded_api


async def main(data: Path, manifests: Path) -> None:
    """Serve until SIGTERM."""
    stop = trio.Event()
    crds = [crd(kind) for kind in KINDS]
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            endpoint = await nursery.start(
                partial(
                    serve_embedded_api,
                    data,
                    crds,
                    namespaces=("monitoring",),  # where the Lease is
                    stop=stop,
                    manifests=manifests,
                )
            )
            print(endpoint.kubeconfig, flush=True)
            async for _ in signals:
                stop.set()
                return


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]), Path(sys.argv[2]))
