"""
A publisher that knows nothing of Backstory: plain pika, with whatever properties and bodies it likes.

Tells what it published in lines of JSON, so that it can be compared with what the history gives back.

    python3 publisher.py '{"broker": "amqp://…", "exchange": "orders"}'
"""

import datetime
import decimal
import json
import sys

import pika
from pika.compat import long

MOMENT = datetime.datetime(2031, 5, 17, 8, 30, tzinfo=datetime.timezone.utc)
EVERY_BYTE = bytes(range(256))

# A header of each type that pika writes.
HEADERS = {
    "text": "Käfer 😀 \0",
    "empty": "",
    "bytes": EVERY_BYTE,
    "true": True,
    "false": False,
    "int": -(2**31),
    "long": 2**53 - 1,
    "short as long": long(7),
    "decimal": decimal.Decimal("19.99"),
    "negative decimal": decimal.Decimal("-0.5"),
    "timestamp": MOMENT,
    "table": {"of": {"tables": [1, "two", None, {"three": [b"\xff"]}]}},
    "list": ["a", [], {}, [True, decimal.Decimal("1")]],
    "void": None,
}

# Every property, a user that the broker checks aside.
PROPERTIES = {
    "content_type": "application/x-käfer",
    "content_encoding": "gzip",
    "delivery_mode": 1,
    "priority": 255,
    "correlation_id": "correlation",
    "reply_to": "somebody",
    "expiration": "86400000",
    "message_id": "its own id",
    "timestamp": 4_102_444_800,
    "type": "no.type.of.yours",
    "app_id": "/elsewhere",
    "cluster_id": "cluster",
}


def messages():
    """Properties and body of each message."""
    yield {}, b""
    yield {}, EVERY_BYTE
    yield {}, b"the same"
    yield {}, b"the same"
    for name, value in PROPERTIES.items():
        yield {name: value}, name.encode()
    for name, value in HEADERS.items():
        yield {"headers": {name: value}}, name.encode()
    yield {**PROPERTIES, "headers": HEADERS}, EVERY_BYTE * 4_096
    yield {"content_type": "application/json", "message_id": "no json"}, b"\xff{"
    yield {"content_type": "application/json", "message_id": "json"}, b'{ "price": 12345678901234567890.10 }\n'
    yield {"content_type": "text/plain", "message_id": "no text"}, b"\xc3\x28"
    yield {"headers": {"backstory-fence": "no fence"}, "type": "backstory-fence"}, b""


def shown(value):
    """As JSON, whatever it is."""
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, decimal.Decimal):
        return {"decimal": str(value)}
    if isinstance(value, datetime.datetime):
        return {"timestamp": int(value.timestamp())}
    if isinstance(value, list):
        return [shown(one) for one in value]
    return {name: shown(one) for name, one in value.items()} if isinstance(value, dict) else value


def publish(broker, exchange):
    with pika.BlockingConnection(pika.URLParameters(broker)) as connection:
        channel = connection.channel()
        # Without confirms a busy broker may lose what is on its way when the connection is closed.
        channel.confirm_delivery()
        for properties, body in messages():
            channel.basic_publish(exchange, "a.key", body, pika.BasicProperties(**properties))
            print(json.dumps({"properties": shown(properties), "body": body.hex()}))


if __name__ == "__main__":
    publish(**json.loads(sys.argv[1]))
