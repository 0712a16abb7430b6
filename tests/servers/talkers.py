"""A WebSocket server and a gRPC health server, each in a process of its own."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from websockets.asyncio.server import ServerConnection, serve


async def _websocket(port: int) -> None:
    async def talk(connection: ServerConnection) -> None:
        request = connection.request
        path = request.path if request is not None else ""
        if path == "/hello":
            await connection.send("hello")
        if path == "/bytes":
            await connection.send(b"\x01bin")
        if path == "/bye":
            await connection.close(1013, "try again later")
        async for message in connection:
            await connection.send(f"echo:{message!s}")

    def refuse(connection: ServerConnection, request: Any) -> Any:
        if request.path == "/secret" and request.headers.get("X-Token") != "t0ken":
            return connection.respond(403, "no\n")
        return None

    def choose(_: Any, offered: Any) -> Any:
        return "chat" if "chat" in offered else None

    async with serve(
        talk, "127.0.0.1", port, process_request=refuse, select_subprotocol=choose
    ) as server:
        await server.serve_forever()


def _grpc(port: int, secure_port: int, cert: str, key: str) -> None:
    class Health(health.HealthServicer):  # type: ignore[misc]
        def Check(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
            metadata = dict(context.invocation_metadata())
            if request.service == "private" and metadata.get("authorization") != "t0ken":
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")
            return super().Check(request, context)

    server = grpc.server(ThreadPoolExecutor(4))
    servicer = Health()
    states = health_pb2.HealthCheckResponse
    for name, state in (
        ("", states.SERVING),
        ("private", states.SERVING),
        ("ill", states.NOT_SERVING),
    ):
        servicer.set(name, state)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    pair = (Path(key).read_bytes(), Path(cert).read_bytes())
    server.add_secure_port(f"127.0.0.1:{secure_port}", grpc.ssl_server_credentials([pair]))
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    which, *arguments = sys.argv[1:]
    if which == "websocket":
        asyncio.run(_websocket(int(arguments[0])))
    else:
        _grpc(int(arguments[0]), int(arguments[1]), *arguments[2:])
