"""A watcher that stops reading holds nobody up: no writer, no other watcher, and not the end."""

import ssl
from pathlib import Path

import trio
from support.embedded import client_of, embedded_server, widget

from kubekuma.standalone.server import Endpoint

PATH = "/apis/example.org/v1/namespaces/default/widgets"


async def stalled_watch(endpoint: Endpoint) -> trio.SSLStream[trio.SocketStream]:
    """Begin a watch, and never read what it tells."""
    port = int(endpoint.url.rpartition(":")[2])
    context = ssl.create_default_context(cadata=endpoint.ca_pem.decode())
    stream = await trio.open_ssl_over_tcp_stream("127.0.0.1", port, ssl_context=context)
    head = f"Host: x\r\nAuthorization: Bearer {endpoint.token}\r\n\r\n"
    await stream.send_all(f"GET {PATH}?watch=true HTTP/1.1\r\n{head}".encode())
    # The head of the answer: the watch has begun.
    await stream.receive_some(100)
    return stream


async def test_a_watcher_that_stops_reading_holds_nobody_up(tmp_path: Path) -> None:
    with trio.fail_after(30):
        async with embedded_server(tmp_path) as endpoint, client_of(endpoint) as client:
            stream = await stalled_watch(endpoint)
            # More than fits into the buffers of two sockets.
            note = "x" * 19_000
            (await client.post(PATH, json=widget("a"))).raise_for_status()
            kind = {"content-type": "application/merge-patch+json"}
            for number in range(600):
                with trio.fail_after(5):
                    change = {"spec": {"note": f"{number}{note}"}}
                    answer = await client.patch(f"{PATH}/a", json=change, headers=kind)
                    answer.raise_for_status()
            parameters = {"watch": "true", "timeoutSeconds": "1"}
            seen = await client.get(PATH, params=parameters)
            assert seen.content.count(b"\n") == 1
        # The server has ended, although it was never read from.
        await trio.aclose_forcefully(stream)
