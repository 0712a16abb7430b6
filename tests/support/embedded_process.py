"""The embedded API as a program of its own: ``python -m support.embedded_process DATA TOKENS``.

Says in a line of JSON where it is, once it is ready. SIGTERM ends it.
"""

import json
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Final

import trio

from kubekuma.standalone.server import Endpoint, serve_embedded_api

# Few enough that a test can have the past forgotten.
WINDOW: Final = 200


async def main(data: Path, tokens: Path) -> None:
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        serve = partial(serve_embedded_api, data, (), stop=stop, tokens=tokens, window=WINDOW)
        endpoint: Endpoint = await nursery.start(serve)
        ca = data / "authority.crt"
        ca.write_bytes(endpoint.ca_pem)
        sys.stdout.write(json.dumps({"server": endpoint.url, "certificate": str(ca)}) + "\n")
        sys.stdout.flush()
        with trio.open_signal_receiver(signal.SIGTERM) as signals:
            async for _ in signals:
                break
        stop.set()


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]), Path(sys.argv[2]))
