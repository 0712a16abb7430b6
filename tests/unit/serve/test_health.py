"""What is asked of the process by whoever would start it anew, and of its metrics on standby."""

from support.board import World

from kubekuma.serve.board import Board
from kubekuma.serve.health import health_routes
from kubekuma.serve.metrics import Instruments, metrics_routes
from kubekuma.serve.server import build_app


async def test_a_process_that_only_a_new_one_can_cure_says_so() -> None:
    ails: dict[str, str] = {}
    client = build_app([health_routes(dict, lambda: ails)]).test_client()
    answer = await client.get("/health")
    assert (answer.status_code, await answer.get_json()) == (200, {"status": "ok"})
    ails["leadership"] = "the Lease ran out long ago"
    answer = await client.get("/health")
    assert answer.status_code == 503
    assert (await answer.get_json())["ails"] == ails
    # That is no reason to ask it for anything else.
    assert (await client.get("/ready")).status_code == 200


async def test_of_monitors_only_whoever_checks_them_speaks() -> None:
    world = World()
    world.add("web")
    board: Board = world.board
    speaks = [True]
    routes = metrics_routes(board, Instruments(lambda: iter(())), lambda: speaks[0])
    client = build_app([routes]).test_client()
    assert b"kubekuma_monitor_state{" in await (await client.get("/metrics")).get_data(
        as_text=False
    )
    speaks[0] = False
    text = await (await client.get("/metrics")).get_data(as_text=False)
    assert b"kubekuma_monitor_" not in text
    assert b"process_cpu_seconds_total" in text
