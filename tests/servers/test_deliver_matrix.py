"""Messages in a room of Synapse, Matrix' own homeserver."""

import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest
import trio
from support.daemons import free_ports, running
from support.messages import message
from support.program import cluster, monitor, program, started, state_is, until
from support.python_servers import synapse

from kubekuma.deliver.request import Secret
from kubekuma.deliver.send import NotSent, Taken
from kubekuma.deliver.tell import Teller
from kubekuma.deliver.trial import trials
from kubekuma.model.alert import Message
from kubekuma.model.meta import API_VERSION, Key, ObjectMeta
from kubekuma.model.policy import Happening
from kubekuma.model.provider import Provider, ProviderSpec
from kubekuma.model.wording import MOST_TEXT
from kubekuma.parts import now
from kubekuma.validate.decode import decoded

# A request that is cut off leaves its body half read, and trio says so of what httpx forgot.
pytestmark = [
    pytest.mark.servers,
    pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning"),
]

CONFIGURATION = """
server_name: kuma.test
listeners:
  - {{port: {port}, type: http, bind_addresses: [127.0.0.1], resources: [{{names: [client]}}]}}
database: {{name: sqlite3, args: {{database: {folder}/homeserver.db}}}}
media_store_path: {folder}/media
signing_key_path: {folder}/signing.key
registration_shared_secret: shared
macaroon_secret_key: macaroon
form_secret: form
report_stats: false
trusted_key_servers: []
rc_message: {{per_second: 1000, burst_count: 1000}}
"""


@attrs.frozen(kw_only=True)
class Room:
    """A room, and somebody in it."""

    url: str
    id: str
    token: str

    def config(self) -> Mapping[str, Any]:
        """The provider that tells this room."""
        ref = {"name": "matrix", "key": "token"}
        config = {"homeserverUrl": self.url, "roomId": self.id, "accessTokenSecretRef": ref}
        return {"type": "matrix", "config": {"matrix": config}}

    def spec(self, **more: Any) -> ProviderSpec:
        """The same as a value."""
        whole = self.config()
        config = {"matrix": {**whole["config"]["matrix"], **more}}
        return decoded({**whole, "config": config}, ProviderSpec)

    async def messages(self) -> Sequence[Mapping[str, Any]]:
        """What was said there, the oldest first."""
        async with httpx.AsyncClient(base_url=self.url, trust_env=False) as http:
            answer = await http.get(
                f"/_matrix/client/v3/rooms/{self.id}/messages",
                params={"dir": "f", "limit": 100},
                headers={"Authorization": f"Bearer {self.token}"},
            )
        return [each for each in answer.json()["chunk"] if each["type"] == "m.room.message"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    python, folder = synapse(), tmp_path_factory.mktemp("synapse")
    (port,) = free_ports(1)
    settings = folder / "homeserver.yaml"
    settings.write_text(CONFIGURATION.format(port=port, folder=folder))
    command = [str(python), "-m", "synapse.app.homeserver", "-c", str(settings)]
    without = {"PYTHONPATH": ""}
    with running([*command, "--generate-keys"], folder, env=without) as generating:
        assert generating.wait(30) == 0
    with running(command, folder, ports=[port], env=without):
        url = f"http://127.0.0.1:{port}"
        yield url, _token(url)


def _token(url: str) -> str:
    register = "/_synapse/admin/v1/register"
    with httpx.Client(base_url=url, trust_env=False) as http:
        nonce = http.get(register).json()["nonce"]
        parts = b"\0".join(each.encode() for each in (nonce, "kuma", "pw", "notadmin"))
        mac = hmac.new(b"shared", parts, hashlib.sha1).hexdigest()
        known = {"nonce": nonce, "username": "kuma", "password": "pw", "admin": False, "mac": mac}
        token: str = http.post(register, json=known).json()["access_token"]
    return token


@pytest.fixture
def room(server: tuple[str, str]) -> Room:
    url, token = server
    with httpx.Client(base_url=url, trust_env=False) as http:
        bearer = {"Authorization": f"Bearer {token}"}
        found = http.post("/_matrix/client/v3/createRoom", headers=bearer, json={}).json()
    return Room(url=url, id=found["room_id"], token=token)


async def tell(spec: ProviderSpec, told: Message, token: str, answers: str | None = None) -> Taken:
    teller = Teller(now)
    secret: Secret = lambda _: token  # noqa: E731
    try:
        return await teller.tell(spec, told, secret, answers)
    finally:
        await teller.aclose()


async def test_an_end_answers_its_beginning_and_what_is_sent_twice_is_there_once(
    room: Room,
) -> None:
    down = message(text="it says <b>@room</b>\n", links={"Logs": "https://logs.example.org/"})
    first = await tell(room.spec(), down, room.token)
    again = await tell(room.spec(), down, room.token)
    assert first.receipt is not None
    assert again.receipt == first.receipt
    up = message(id="m2", happening=Happening.UP, title="web is up again")
    await tell(room.spec(), up, room.token, first.receipt)
    begin, end = await room.messages()
    assert begin["event_id"] == first.receipt
    assert "&lt;b&gt;@\N{ZERO WIDTH SPACE}room" in begin["content"]["formatted_body"]
    assert "m.mentions" not in begin["content"]
    related = end["content"]["m.relates_to"]
    assert related == {"m.in_reply_to": {"event_id": first.receipt}}


@pytest.mark.parametrize("text", ["\x00", '"', "é", "😀", "\n", "&"])
async def test_the_longest_message_is_taken(room: Room, text: str) -> None:
    links = {f"{'&' * 60}{number}": "https://example.org/" for number in range(16)}
    long = message(title=text * 500, text=text * MOST_TEXT, links=links)
    assert (await tell(room.spec(), long, room.token)).receipt is not None


async def test_whoever_is_not_let_in_is_told_why(room: Room) -> None:
    for spec, token, said in (
        (room.spec(), "c4nary", "it answers 401: "),
        (room.spec(roomId="!none:kuma.test"), room.token, "it answers 403: "),
    ):
        with pytest.raises(NotSent) as raised:
            await tell(spec, message(), token)
        assert raised.value.said.startswith(said)
        assert raised.value.lasting
        assert token not in raised.value.said


async def test_a_test_arrives(room: Room) -> None:
    provider = Provider(meta=ObjectMeta(key=Key("shop", "room")), spec=room.spec())
    for each in trials(provider, "now", now()):
        await tell(provider.spec, each, room.token)
    (said,) = await room.messages()
    assert said["content"]["body"].startswith("✅ KubeKuma can send here\n")


async def test_in_the_running_program_the_end_answers_even_after_a_restart(
    nursery: trio.Nursery, tmp_path: Path, room: Room
) -> None:
    site = await started(nursery)
    metadata = {"name": "room", "namespace": "shop"}
    provider = {"apiVersion": API_VERSION, "kind": "NotificationProvider", "metadata": metadata}
    async with cluster(tmp_path) as api:
        await api.secret("matrix", token=room.token)
        await api.apply({**provider, "spec": {**room.config(), "default": True}})
        async with program(tmp_path) as first:
            await api.apply(monitor(site))
            await until(api.monitor, state_is("up"))
            site.status = "500 Oops"
            await until(room.messages, lambda found: len(found) == 1, seconds=30)
            assert await first.end() < 8
        async with program(tmp_path) as second:
            await until(partial(second.get, "/ready"), lambda it: it["status"] == "ready")
            site.status = "200 OK"
            found = await until(room.messages, lambda found: len(found) == 2, seconds=30)
            assert await second.end() < 8
    begin, end = found
    replied = end["content"]["m.relates_to"]["m.in_reply_to"]
    assert replied == {"event_id": begin["event_id"]}
