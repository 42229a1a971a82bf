"""
A consumer in Python, made after docs/protocol.md with pika and the standard library alone.

Its store is a SQLite file. What the handler writes commits together with the cursor and the inbox, so a
death at any point costs nothing: it begins again at step 1 with what the store says. Tells how it is in
lines of JSON.

    python3 consumer.py '{"broker": "amqp://…", "feed": "http://…", "exchange": "orders", "name": "billing", "store": "billing.db"}'
"""

import base64
import contextlib
import hashlib
import json
import sqlite3
import struct
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

import pika
import pika.exceptions


class Feed:
    """The history of one exchange over HTTP."""

    def __init__(self, url, exchange, token=None):
        self.base = f"{url}/exchanges/{urllib.parse.quote(exchange, safe='')}"
        self.headers = {"authorization": f"Bearer {token}"} if token else {}

    def events(self, after, up_to, limit):
        """Events in the order of their positions; none where nothing is left."""
        query = {"after": after, "upTo": up_to, "limit": limit}
        with self.open("events", query) as answer:
            lines = [json.loads(line) for line in answer if line.strip()]
        # The last line says how far the history was looked at: without it the answer was cut off.
        if not lines or "through" not in lines[-1]:
            raise OSError(f"the feed broke off: {lines[-1:]}")
        return lines[:-1]

    def identities(self, after, limit):
        return self.json("identities", {"after": after, "limit": limit})["items"]

    def positions(self, identities):
        """The position of each (source, id), None where it is not recorded yet."""
        body = {"identities": [{"source": source, "id": id} for source, id in identities]}
        return self.json("positions", body=body)["positions"] if identities else []

    def fence(self, id, wait_seconds):
        """The position at which the history holds a fence, None where it does not so far."""
        found = self.json_or_none(f"fences/{id}", {"wait": wait_seconds})
        return found and found["position"]

    def bindings(self):
        """How the history is bound to an exchange of somebody else, None where it is our own fanout."""
        found = self.json_or_none("notes/bindings")
        return found and json.loads(found["value"])

    def json_or_none(self, path, query=None):
        try:
            return self.json(path, query)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def json(self, path, query=None, body=None):
        with self.open(path, query or {}, body) as answer:
            return json.load(answer)

    def open(self, path, query, body=None):
        request = urllib.request.Request(
            f"{self.base}/{path}?{urllib.parse.urlencode(query)}",
            data=None if body is None else json.dumps(body).encode(),
            headers={**self.headers, "content-type": "application/json"},
        )
        return urllib.request.urlopen(request, timeout=60)


class Store:
    """The cursor, the inbox and the effects; whoever changes them does so within `transaction()`."""

    def __init__(self, path):
        # Without an isolation level Python begins no transactions of its own.
        self.database = sqlite3.connect(path, isolation_level=None)
        self.database.executescript(
            """
            PRAGMA journal_mode = WAL;
            PRAGMA synchronous = FULL;
            CREATE TABLE IF NOT EXISTS marks (cursor INTEGER NOT NULL, applied INTEGER NOT NULL, checksum TEXT NOT NULL);
            INSERT INTO marks SELECT 0, 0, '00000000000000000000000000000000' WHERE NOT EXISTS (SELECT 1 FROM marks);
            CREATE TABLE IF NOT EXISTS inbox (source TEXT, id TEXT, PRIMARY KEY (source, id)) WITHOUT ROWID;
            CREATE TABLE IF NOT EXISTS effects (number INTEGER PRIMARY KEY, source TEXT, id TEXT, type TEXT, data TEXT);
            """
        )

    @contextlib.contextmanager
    def transaction(self):
        self.database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.database.execute("ROLLBACK")
            raise
        self.database.execute("COMMIT")

    @property
    def cursor(self):
        return self.marks()["cursor"]

    def marks(self):
        row = self.database.execute("SELECT cursor, applied, checksum FROM marks").fetchone()
        return dict(zip(("cursor", "applied", "checksum"), row))

    def apply(self, source, id, type, data):
        """The handler: its effect, and the checksum over all that took effect."""
        self.database.execute(
            "INSERT INTO effects (source, id, type, data) VALUES (?, ?, ?, ?)",
            (source, id, type, json.dumps(data)),
        )
        checksum = with_event(self.marks()["checksum"], source, id)
        self.database.execute("UPDATE marks SET applied = applied + 1, checksum = ?", (checksum,))

    def put_into_inbox(self, source, id):
        self.database.execute("INSERT INTO inbox VALUES (?, ?)", (source, id))

    def is_in_inbox(self, source, id):
        found = self.database.execute("SELECT 1 FROM inbox WHERE source = ? AND id = ?", (source, id))
        return found.fetchone() is not None

    def take_from_inbox(self, source, id):
        """Whether it was there."""
        return self.database.execute("DELETE FROM inbox WHERE source = ? AND id = ?", (source, id)).rowcount > 0

    def pass_to(self, position):
        self.database.execute("UPDATE marks SET cursor = ?", (position,))


class Consumer:
    def __init__(self, broker, feed, exchange, name, store, token=None, page=500, settle_seconds=1):
        self.parameters = pika.URLParameters(broker)
        self.feed = Feed(feed, exchange, token)
        self.store = Store(store)
        self.exchange = exchange
        self.name = name
        self.queue = f"{exchange}.{name}"
        self.page = page
        self.settle_seconds = settle_seconds

    def run(self):
        while True:
            try:
                self.round()
            except (pika.exceptions.AMQPError, OSError) as error:
                if not is_passing(error):
                    raise
                # The broker or the history is away. Nothing is lost meanwhile: the queue keeps what comes.
                self.tell("waiting", error=repr(error))
                time.sleep(1)

    def round(self):
        """Steps 1 to 6; ends where the live queue has lost something, and is begun again then."""
        with self.channel() as channel:
            self.declare(channel)
        time.sleep(self.settle_seconds)
        position = self.fence_position()
        if position < self.store.cursor:
            sys.exit(f"The history ends at {position}, before what was applied: it is another one")
        self.replay(up_to=position)
        with self.channel() as channel:
            self.live(channel)

    def declare(self, channel):
        bindings = self.feed.bindings()
        if bindings is None:
            channel.exchange_declare(self.exchange, "fanout", durable=True)
        for queue in (f"{self.exchange}.history", self.queue):
            dead = f"{queue}.dead"
            channel.queue_declare(dead, durable=True, arguments={"x-queue-type": "quorum"})
            channel.queue_declare(
                queue,
                durable=True,
                arguments={
                    "x-queue-type": "quorum",
                    "x-single-active-consumer": True,
                    "x-delivery-limit": 1_000_000,
                    "x-dead-letter-exchange": "",
                    "x-dead-letter-routing-key": dead,
                    "x-dead-letter-strategy": "at-least-once",
                    "x-overflow": "reject-publish",
                },
            )
            for binding in bindings or [{}]:
                routing_key = binding.get("routingKey", "")
                channel.queue_bind(queue, self.exchange, routing_key, binding.get("arguments"))

    def fence_position(self):
        """Where the history is once it holds all that was routed before the queue was bound."""
        fence = str(uuid.uuid4())
        while True:
            with self.channel() as channel:
                send_fence(channel, f"{self.exchange}.history", fence)
            # Sent again where it is overdue: a purged queue takes its fences with it.
            position = self.feed.fence(fence, wait_seconds=10)
            if position is not None:
                return position
            self.tell("waiting", error="for the recorder")

    def replay(self, up_to):
        """No connection to the broker is open meanwhile: nobody would answer its heartbeats."""
        while events := self.feed.events(after=self.store.cursor, up_to=up_to, limit=self.page):
            with self.store.transaction():
                for event in events:
                    self.replay_one(event)
            self.tell("replaying")

    def replay_one(self, event):
        source, id, position = event["source"], event["id"], event["position"]
        if position != self.store.cursor + 1:
            sys.exit(f"Position {self.store.cursor + 1} is no longer in the history: begin with an empty store")
        if not self.store.take_from_inbox(source, id):
            self.store.apply(source, id, event["type"], data_of(event))
        self.store.pass_to(position)

    def live(self, channel):
        channel.basic_qos(prefetch_count=500)
        deliveries, audit, tell_cursor_at = [], Audit(self, channel), time.monotonic()
        # Behind all copies of what was replayed: of these nothing may be pruned before they are known for such.
        drain, is_drained = str(uuid.uuid4()), False
        send_fence(channel, self.queue, drain)
        for method, properties, body in channel.consume(self.queue, inactivity_timeout=0.05):
            if method is not None:
                deliveries.append((method, properties, body))
                if len(deliveries) < 100 and channel.get_waiting_message_count() > 0:
                    continue
            if deliveries:
                arrived = self.take(deliveries)
                audit.arrived.update(arrived)
                is_drained = is_drained or drain in arrived
                channel.basic_ack(deliveries[-1][0].delivery_tag, multiple=True)
                deliveries = []
            if audit.step() == "lost":
                return
            if is_drained and time.monotonic() >= tell_cursor_at:
                self.tell_cursor(channel)
                tell_cursor_at += 30
            self.tell("live")

    def tell_cursor(self, channel):
        """So that retention spares what is still needed."""
        told = {"backstory-consumer": self.name, "backstory-cursor": self.store.cursor}
        send_fence(channel, f"{self.exchange}.history", str(uuid.uuid4()), **told)

    def take(self, deliveries):
        """Applies what is new, all in one transaction. Returns the fences among the deliveries."""
        fences = {fence_of(method, properties) for method, properties, _ in deliveries} - {None}
        named = [(identity_of(method, properties), properties, body) for method, properties, body in deliveries]
        # What states no id takes effect when the audit meets it in the history.
        events = [event for event in named if event[0] is not None]
        positions = self.feed.positions([identity for identity, _, _ in events])
        with self.store.transaction():
            for ((source, id), properties, body), position in zip(events, positions):
                was_replayed = position is not None and position <= self.store.cursor
                if was_replayed or self.store.is_in_inbox(source, id):
                    continue
                type = (properties.headers or {}).get("ce-type") or properties.type or "amqp.message"
                self.store.apply(source, id, type, decoded(body, properties.content_type))
                self.store.put_into_inbox(source, id)
        return fences

    @contextlib.contextmanager
    def channel(self):
        connection = pika.BlockingConnection(self.parameters)
        try:
            channel = connection.channel()
            # Each publish waits for its confirm, and raises where no queue took it.
            channel.confirm_delivery()
            yield channel
        finally:
            if connection.is_open:
                connection.close()

    def tell(self, phase, **more):
        print(json.dumps({"phase": phase, **self.store.marks(), **more}), flush=True)


class Audit:
    """Step 6: the cursor follows the history over what was applied live."""

    def __init__(self, consumer, channel):
        self.consumer = consumer
        self.channel = channel
        self.arrived = set()
        self.fence = None
        self.covers = 0

    def step(self):
        """Returns `lost` where the history has an event that comes through the live queue no more."""
        store, feed = self.consumer.store, self.consumer.feed
        while page := feed.identities(after=store.cursor, limit=1_000):
            with store.transaction():
                for event in page:
                    if event["unidentified"] or not store.take_from_inbox(event["source"], event["id"]):
                        break
                    store.pass_to(event["position"])
            missing = next((event for event in page if event["position"] > store.cursor), None)
            if missing is None:
                continue
            if not missing["unidentified"]:
                return self.look_for(missing["position"], head=page[-1]["position"])
            self.consumer.replay(up_to=missing["position"])
        return "level"

    def look_for(self, position, head):
        """It may still be in the queue: a fence behind it tells."""
        has_arrived = self.fence in self.arrived
        if has_arrived and position <= self.covers:
            return "lost"
        if self.fence is None or has_arrived:
            self.fence, self.covers = str(uuid.uuid4()), head
            send_fence(self.channel, self.consumer.queue, self.fence)
        return "waiting"


def is_passing(error):
    """Whether trying again may help; what else it is, a person has to mend."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code in (404, 408, 429, 503)
    return getattr(error, "reply_code", None) != 406


def send_fence(channel, queue, id, **more):
    headers = {"backstory-fence": id, **more}
    properties = pika.BasicProperties(headers=headers, delivery_mode=2, type="backstory-fence")
    channel.basic_publish("", queue, b"", properties, mandatory=True)


def fence_of(method, properties):
    """A message that came through an exchange is none, whatever it holds."""
    return (properties.headers or {}).get("backstory-fence") if method.exchange == "" else None


def identity_of(method, properties):
    """(source, id); None for a fence, and for what only the history can tell from others."""
    headers = properties.headers or {}
    id = headers.get("ce-id") or properties.message_id
    source = headers.get("ce-source") or properties.app_id or f"amqp:{method.exchange}"
    is_known = isinstance(id, str) and isinstance(source, str) and "\ufffd" not in id
    return (source, id) if is_known and fence_of(method, properties) is None else None


def data_of(event):
    if "data_base64" in event:
        return decoded(base64.b64decode(event["data_base64"]), event.get("datacontenttype"))
    return event.get("data")


def decoded(body, content_type):
    """JSON and text as what they are, anything else in base64."""
    essence = (content_type or "").split(";")[0].strip().lower()
    with contextlib.suppress(ValueError):
        if essence == "application/json" or essence.endswith("+json"):
            return json.loads(body) if body else None
        if essence.startswith("text/"):
            return body.decode() or None
    return base64.b64encode(body).decode() or None


def with_event(checksum, source, id):
    """The checksum of a set of events with one more in it: four words, each summed modulo 2^32."""
    digest = hashlib.sha256(f"{source}\0{id}".encode()).digest()
    words = zip(struct.unpack(">4I", bytes.fromhex(checksum)), struct.unpack_from(">4I", digest))
    return struct.pack(">4I", *((one + other) % 2**32 for one, other in words)).hex()


if __name__ == "__main__":
    Consumer(**json.loads(sys.argv[1])).run()
