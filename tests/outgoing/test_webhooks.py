"""Webhooks: signed events, in order, at least once, with retries, and without delaying anything else."""

from __future__ import annotations

import asyncio
import base64
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest
import trustme

from camera.events import CameraEvent, ConfigChanged, FileAdded
from service.event_log import EventLog
from service.events import EventHub
from service.outgoing import Outgoing
from service.webhooks import Webhooks, WebhookStatus, WebhookTimes
from store.database import Store
from store.events import MOST_EVENTS, EventStore
from store.schema import MIGRATIONS
from store.webhooks import WebhookStore
from tests.outgoing.receiver import SECRET, Receiver
from tests.support.ports import free_port
from tests.support.waiting import until, until_answers
from webhook import Agent, Webhook

PORT = "usb:001,002"
KEY = base64.b64decode(SECRET.removeprefix("whsec_"))
TIMES = WebhookTimes(first_pause_s=0.05, longest_pause_s=0.2, deadline_s=30.0)


class Server:
    """The parts of a server that send webhooks."""

    def __init__(self, file: Path | None, *webhooks: Webhook, times: WebhookTimes = TIMES) -> None:
        self.store = Store(file, MIGRATIONS)
        self.log = EventLog(EventStore(self.store))
        self.webhooks = Webhooks(self.log, WebhookStore(self.store), webhooks, Agent("test/1"), times)
        self.hub = EventHub(self.log, Outgoing(webhooks=self.webhooks))

    def happen(self, path: str) -> None:
        """Let an event happen."""
        self.hub.emit(CameraEvent(PORT, FileAdded(path)))

    async def status(self) -> WebhookStatus:
        """The state of the first webhook."""
        return (await self.webhooks.status())[0]

    async def written(self) -> None:
        """Wait until all events are on the disk, without a delay of the loop by this test."""
        newest = self.log.position.seq

        async def on_disk() -> bool:
            events = EventStore(self.store)
            return await events.count(newest - 1, newest + 1, ["file_added"]) == 1

        await until_answers(on_disk)

    def kill(self) -> None:
        """End without closing anything, as a killed server does. Its tasks are ended by the test."""
        for task in asyncio.all_tasks():
            if task.get_name() in ("event log", "webhooks") or task.get_name().startswith("webhook "):
                task.cancel()
        self.store.close()


@asynccontextmanager
async def running(file: Path | None, *webhooks: Webhook, times: WebhookTimes = TIMES) -> AsyncIterator[Server]:
    server = Server(file, *webhooks, times=times)
    await server.hub.open()
    try:
        yield server
    finally:
        await server.hub.close()
        server.store.close()


def to(receiver: Receiver, *events: str) -> Webhook:
    return Webhook(receiver.url, frozenset(events or ("file_added",)), KEY)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


async def test_an_event_is_sent_and_signed_by_the_standard(file: Path, receiver: Receiver) -> None:
    async with running(file, to(receiver)) as server:
        server.happen("/card/1.jpg")
        await receiver.got(1)
        position = server.log.position
    (request,) = receiver.requests
    request.verify()
    assert request.path == "/hook?from=booth"
    assert request.id == f"{position.epoch}-{position.seq}"
    assert abs(int(request.headers["webhook-timestamp"]) - time.time()) < 60
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["User-Agent"] == "test/1"
    event = request.event
    assert event.keys() == {"type", "timestamp", "data"}
    assert event["type"] == "file_added"
    assert event["timestamp"].endswith("Z")
    assert event["data"] == {"seq": position.seq, "port": PORT, "camera_filepath": "/card/1.jpg"}


async def test_a_changed_body_or_another_secret_has_no_valid_signature(file: Path, receiver: Receiver) -> None:
    async with running(file, to(receiver)) as server:
        server.happen("/card/1.jpg")
        await receiver.got(1)
    request = receiver.requests[0]
    for changed in (
        type(request)(request.path, request.headers, request.body.replace(b"1.jpg", b"2.jpg")),
        type(request)(request.path, {**request.headers, "webhook-id": "another"}, request.body),
    ):
        with pytest.raises(Exception, match="No matching signature"):
            changed.verify()
    with pytest.raises(Exception, match="No matching signature"):
        request.verify("whsec_" + base64.b64encode(bytes(32)).decode())


async def test_only_the_wanted_events_are_sent_in_order(file: Path, receiver: Receiver) -> None:
    async with running(file, to(receiver)) as server:
        for number in range(200):
            server.hub.emit(CameraEvent(PORT, ConfigChanged("iso", str(number))))
            server.happen(f"/card/{number}.jpg")
        await receiver.got(200)
        await until_answers(lambda: _is_idle(server))
        assert (await server.status()).delivered == 200
    assert receiver.paths == [f"/card/{number}.jpg" for number in range(200)]


async def test_a_failed_event_is_repeated_with_the_same_id_before_later_ones(file: Path, receiver: Receiver) -> None:
    receiver.statuses = [500, 404, 302, 200]
    receiver.more_headers = {"Location": receiver.url}
    async with running(file, to(receiver)) as server:
        server.happen("/card/1.jpg")
        server.happen("/card/2.jpg")
        await receiver.got(5)
        await until_answers(lambda: _is_idle(server))
        status = await server.status()
    assert receiver.paths == ["/card/1.jpg"] * 4 + ["/card/2.jpg"]
    assert len({request.id for request in receiver.requests[:4]}) == 1
    assert (status.state, status.delivered, status.failed, status.last_error) == ("ok", 2, 3, None)
    for request in receiver.requests:
        request.verify()


async def _is_idle(server: Server) -> bool:
    return (await server.status()).waiting == 0


async def test_pauses_grow_and_are_shown(file: Path) -> None:
    webhook = Webhook(f"http://127.0.0.1:{free_port()}/secret-path", frozenset(["file_added"]), KEY)
    async with running(file, webhook, times=WebhookTimes(first_pause_s=0.01, longest_pause_s=1000.0)) as server:
        server.happen("/card/1.jpg")
        server.happen("/card/2.jpg")

        async def long_pause() -> bool:
            return ((await server.status()).retry_in_s or 0) > 1

        await until_answers(long_pause)
        status = await server.status()
    assert status.state == "retrying"
    assert 8 <= status.failed <= 12  # the pause after the 8th attempt is 0.01 s * 2**7 = 1.28 s
    assert status.waiting == 2
    assert status.last_error is not None
    assert "refused" in status.last_error
    assert "secret-path" not in status.origin


async def test_the_receiver_may_ask_for_a_longer_pause(file: Path, receiver: Receiver) -> None:
    receiver.statuses, receiver.more_headers = [503], {"Retry-After": "120"}
    async with running(file, to(receiver)) as server:
        server.happen("/card/1.jpg")
        await until(lambda: bool(receiver.requests))

        async def failed() -> bool:
            return (await server.status()).failed == 1

        await until_answers(failed)
        retry_in_s = (await server.status()).retry_in_s
    assert retry_in_s is not None
    assert 60 < retry_in_s <= 120


async def test_events_that_could_not_be_delivered_for_too_long_are_given_up(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    webhook = Webhook(f"http://127.0.0.1:{port}/hook", frozenset(["file_added"]), KEY)
    times = WebhookTimes(first_pause_s=0.05, longest_pause_s=0.1, give_up_s=0.5)
    async with running(file, webhook, times=times) as server:
        for number in range(3):
            server.happen(f"/card/{number}.jpg")

        async def given_up() -> bool:
            return (await server.status()).given_up == 3

        await until_answers(given_up)
        with Receiver(port) as receiver:
            server.happen("/card/new.jpg")
            await receiver.got(1)
            assert receiver.paths == ["/card/new.jpg"]
    assert caplog.text.count("was given up") == 3


async def test_a_receiver_that_is_gone_gets_nothing_more_until_a_restart(file: Path, receiver: Receiver) -> None:
    receiver.statuses = [200, 410]
    async with running(file, to(receiver)) as server:
        server.happen("/card/1.jpg")
        server.happen("/card/2.jpg")
        await receiver.got(2)
        server.happen("/card/3.jpg")

        async def disabled() -> bool:
            return (await server.status()).state == "disabled"

        await until_answers(disabled)
        assert (await server.status()).waiting == 2
    assert len(receiver.requests) == 2
    async with running(file, to(receiver)):
        await receiver.got(4)
    assert receiver.paths == ["/card/1.jpg", "/card/2.jpg", "/card/2.jpg", "/card/3.jpg"]


@pytest.mark.parametrize("fault", ["hangs", "drips"])
async def test_a_receiver_that_does_not_answer_delays_no_other_and_no_end(
    file: Path, receiver: Receiver, fault: str
) -> None:
    times = WebhookTimes(first_pause_s=0.05, deadline_s=0.5)
    with Receiver() as slow:
        setattr(slow, fault, True)
        server = Server(file, to(slow), to(receiver), times=times)
        await server.hub.open()
        for number in range(20):
            server.happen(f"/card/{number}.jpg")
        await receiver.got(20)
        await slow.got(2)  # the first attempt was cut at its deadline
        assert "no answer in 0.5 s" in str((await server.status()).last_error)
        started = time.monotonic()
        await server.hub.close()
        assert time.monotonic() - started < 5
        server.store.close()
    assert {request.id for request in slow.requests} == {receiver.requests[0].id}


async def test_events_that_wait_are_delivered_after_a_restart(file: Path) -> None:
    port = free_port()
    webhook = Webhook(f"http://127.0.0.1:{port}/hook", frozenset(["file_added"]), KEY)
    async with running(file, webhook) as server:
        server.happen("/card/1.jpg")
        server.happen("/card/2.jpg")
    async with running(file, webhook) as server:
        server.happen("/card/3.jpg")
        with Receiver(port) as receiver:
            await receiver.got(3)
    assert receiver.paths == ["/card/1.jpg", "/card/2.jpg", "/card/3.jpg"]
    async with running(file, webhook) as server:
        with Receiver(port) as receiver:
            server.happen("/card/4.jpg")
            await receiver.got(1)
    assert receiver.paths == ["/card/4.jpg"]


async def test_a_server_that_ends_at_once_loses_no_event(file: Path) -> None:
    port = free_port()
    webhook = Webhook(f"http://127.0.0.1:{port}/hook", frozenset(["file_added"]), KEY)
    async with running(file, webhook) as server:
        server.happen("/card/1.jpg")
        await server.written()
    for _ in range(3):
        async with running(file, webhook):
            pass  # the cursor was not read yet
    with Receiver(port) as receiver:
        async with running(file, webhook):
            await receiver.got(1)
    assert receiver.paths == ["/card/1.jpg"]


async def test_after_a_kill_events_on_the_disk_are_delivered_and_ids_stay_unique(file: Path) -> None:
    port = free_port()
    webhook = Webhook(f"http://127.0.0.1:{port}/hook", frozenset(["file_added"]), KEY)
    ids = []
    for life in range(4):
        server = Server(file, webhook)
        await server.hub.open()
        server.happen(f"/card/{life}.jpg")
        await server.written()
        server.kill()
    async with running(file, webhook):
        with Receiver(port) as receiver:
            await receiver.got(4)
    ids = [request.id for request in receiver.requests]
    assert receiver.paths == [f"/card/{life}.jpg" for life in range(4)]
    assert len({one.partition("-")[0] for one in ids}) == 4


async def test_events_with_numbers_that_were_used_before_a_kill_are_delivered(file: Path, receiver: Receiver) -> None:
    first = Server(file, to(receiver))
    await first.hub.open()
    first.happen("/card/1.jpg")
    await receiver.got(1)
    await first.written()
    # These are delivered, and recorded as delivered, but the server is killed before the log is on the disk.
    for task in asyncio.all_tasks():
        if task.get_name() == "event log":
            task.cancel()
    first.happen("/card/2.jpg")
    first.happen("/card/3.jpg")
    await receiver.got(3)

    async def recorded() -> bool:
        rows = await first.store.read(lambda db: db.execute("SELECT seq FROM webhooks").fetchall())
        return [seq for (seq,) in rows] == [3]

    await until_answers(recorded)
    first.kill()
    async with running(file, to(receiver)) as second:
        second.happen("/card/4.jpg")  # has the number of the second one
        await receiver.got(4)
    assert receiver.paths[3] == "/card/4.jpg"
    assert [request.id.partition("-")[2] for request in receiver.requests] == ["1", "2", "3", "2"]
    assert len({request.id for request in receiver.requests}) == 4


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_is_on_the_disk_is_delivered_in_order_through_failures_and_kills(
    file: Path, receiver: Receiver, seed: int
) -> None:
    random = Random(seed)
    times = WebhookTimes(first_pause_s=0.005, longest_pause_s=0.02)
    number = 0
    for _ in range(15):
        receiver.statuses = [random.choice([204, 204, 500, 302]) for _ in range(50)]
        server = Server(file, to(receiver), times=times)
        await server.hub.open()
        for _ in range(random.randrange(8)):
            number += 1
            server.happen(f"/card/{number}.jpg")
            await asyncio.sleep(random.choice([0, 0, 0.01, 0.15]))
        server.kill()
    receiver.statuses = []
    async with running(file, to(receiver), times=times) as server:
        await until_answers(lambda: _is_idle(server))
        on_disk = await server.store.read(
            lambda db: db.execute("SELECT epoch, seq FROM events ORDER BY seq").fetchall()
        )
    assert on_disk
    delivered = [request.id for request in receiver.requests if request.status == 204]
    assert {f"{epoch}-{seq}" for epoch, seq in on_disk} <= set(delivered)
    first_deliveries = [
        request.event["data"]["camera_filepath"] for request in receiver.requests if request.status == 204
    ]
    numbers = [int(path.removeprefix("/card/").removesuffix(".jpg")) for path in dict.fromkeys(first_deliveries)]
    assert numbers == sorted(numbers)


async def test_a_new_webhook_gets_no_old_events(file: Path, receiver: Receiver) -> None:
    async with running(file) as server:
        server.happen("/card/1.jpg")
    async with running(file, to(receiver)) as server:
        server.happen("/card/2.jpg")
        await receiver.got(1)
    assert receiver.paths == ["/card/2.jpg"]


async def test_webhooks_are_replaced_while_the_server_runs(file: Path, receiver: Receiver) -> None:
    with Receiver() as other:
        async with running(file, to(receiver)) as server:
            server.happen("/card/1.jpg")
            await receiver.got(1)
            await server.webhooks.replace([to(other)])
            server.happen("/card/2.jpg")
            await other.got(1)
            await server.webhooks.replace([to(receiver), to(other, "file_added", "config_changed")])
            server.happen("/card/3.jpg")
            await receiver.got(2)
            await other.got(2)
            assert [status.delivered for status in await server.webhooks.status()] == [1, 1]
    assert receiver.paths == ["/card/1.jpg", "/card/3.jpg"]
    assert other.paths == ["/card/2.jpg", "/card/3.jpg"]


async def test_without_a_disk_events_are_delivered_from_memory(receiver: Receiver, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    async with running(tmp_path / "file" / "store.db", to(receiver)) as server:
        server.happen("/card/1.jpg")
        await receiver.got(1)
        await until_answers(lambda: _is_idle(server))


async def test_events_that_the_log_no_longer_has_are_reported(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    webhook = Webhook(f"http://127.0.0.1:{port}/hook", frozenset(["file_added"]), KEY)
    async with running(file, webhook, times=WebhookTimes(first_pause_s=1000.0)) as server:
        server.happen("/card/old.jpg")
        for number in range(MOST_EVENTS):
            server.hub.emit(CameraEvent(PORT, ConfigChanged("iso", str(number))))
        server.happen("/card/new.jpg")
        await server.written()
    with Receiver(port) as receiver:
        async with running(file, webhook):
            await receiver.got(1)
        assert receiver.paths == ["/card/new.jpg"]
    assert "events were too old for the log" in caplog.text


async def test_a_certificate_that_is_not_trusted_is_not_accepted(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with Receiver(tls=context) as receiver:
        async with running(file, to(receiver)) as server:
            server.happen("/card/1.jpg")

            async def failed() -> bool:
                return (await server.status()).failed > 0

            await until_answers(failed)
            assert "certificate" in str((await server.status()).last_error)
        assert receiver.requests == []
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        async with running(file, to(receiver)):
            await receiver.got(1)
    receiver.requests[0].verify()
