"""paho-mqtt 2.x with its second callback API."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from ..limits import WAIT, Failure, check
from .base import V5, V31, V311, Client, ConnAck, Message, Options, Pending

PROTOCOLS = {V31: mqtt.MQTTv31, V311: mqtt.MQTTv311, V5: mqtt.MQTTv5}


class PahoPending(Pending):
    """A publication that paho keeps book of."""

    def __init__(self, owner: str, info: mqtt.MQTTMessageInfo) -> None:
        self._owner = owner
        self._info = info

    def wait(self) -> None:
        self._info.wait_for_publish(WAIT)
        check(self._info.is_published(), f"{self._owner}: not acknowledged within {WAIT} s")


class PahoClient(Client):
    """One paho client with its own network thread."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._acks: dict[int, list[int]] = {}
        self._acked = threading.Condition()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=options.client_id,
            protocol=PROTOCOLS[options.version],
            reconnect_on_failure=options.reconnect,
            # MQTT 5 has no clean session, and paho refuses the argument there.
            clean_session=None if options.version == V5 else options.clean,
            transport="websockets" if options.endpoint.web else "tcp",
        )
        if options.endpoint.web:
            self._client.ws_set_options(path=options.endpoint.path)
        if options.endpoint.secure:
            self._client.tls_set(ca_certs=options.endpoint.ca)
        self._client.reconnect_delay_set(min_delay=0.05, max_delay=0.5)  # type: ignore[arg-type]
        self._client.max_queued_messages_set(0)
        if options.user_name is not None:
            self._client.username_pw_set(options.user_name, options.password)
        if options.will is not None:
            will = options.will
            self._client.will_set(will.topic, will.payload, will.qos, will.retain)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_subscribe = self._on_subscribe
        self._client.on_unsubscribe = self._on_subscribe

    def try_connect(self) -> ConnAck:
        end = self.options.endpoint
        try:
            self._client.connect(end.host, end.port, keepalive=self.options.keep_alive)
        except OSError as error:
            raise Failure(f"{self.options.client_id}: cannot connect: {error}") from error
        self._client.loop_start()
        return self.inbox.take_connack()

    def subscribe(self, filters: str | Sequence[str], qos: int = 0) -> list[int]:
        listed = [filters] if isinstance(filters, str) else filters
        code, mid = self._client.subscribe([(one, qos) for one in listed])
        check(code == MQTTErrorCode.MQTT_ERR_SUCCESS, f"paho cannot subscribe: {code!r}")
        return self._ack(mid, "SUBACK")

    def unsubscribe(self, topic_filter: str) -> None:
        code, mid = self._client.unsubscribe(topic_filter)
        check(code == MQTTErrorCode.MQTT_ERR_SUCCESS, f"paho cannot unsubscribe: {code!r}")
        self._ack(mid, "UNSUBACK")

    def start_publish(self, topic: str, payload: bytes, qos: int, retain: bool) -> Pending:
        info = self._client.publish(topic, payload, qos, retain)
        return PahoPending(self.options.client_id, info)

    def disconnect(self) -> None:
        self._client.disconnect()
        self.inbox.wait_closed()
        self._client.loop_stop()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _ack(self, mid: int | None, what: str) -> list[int]:
        with self._acked:
            if mid is None or not self._acked.wait_for(lambda: mid in self._acks, WAIT):
                raise Failure(f"{self.options.client_id}: no {what} in {WAIT} s")
            return self._acks.pop(mid)

    def _on_connect(self, _c: Any, _u: Any, flags: Any, reason: Any, _p: Any) -> None:
        self.inbox.connack(ConnAck(not reason.is_failure, bool(flags.session_present), str(reason)))

    def _on_disconnect(self, *_: Any) -> None:
        self.inbox.closed()

    def _on_message(self, _c: Any, _u: Any, message: mqtt.MQTTMessage) -> None:
        payload = bytes(message.payload)
        self.inbox.message(Message.whole(message.topic, payload, message.qos, message.retain))

    def _on_subscribe(self, _c: Any, _u: Any, mid: int, reasons: Any, _p: Any) -> None:
        listed = reasons if isinstance(reasons, list) else [reasons]
        with self._acked:
            self._acks[mid] = [reason.value for reason in listed if reason is not None]
            self._acked.notify_all()
