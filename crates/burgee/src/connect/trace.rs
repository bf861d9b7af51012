//! What `-d` tells: packets as they come and go, in the words of Mosquitto's programs.
//!
//! What must hold: it stands on standard output, among the messages, because scripts look for it there. Deliberately
//! absent: the packets of acknowledgements; the client keeps them to itself.

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};

use burgee_client::{Message, QoS};

/// Who tells of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    /// The client's identifier; nothing is told without it.
    client_id: Option<String>,
}

impl Trace {
    pub(crate) fn new(wanted: bool, client_id: &str) -> Self {
        Self {
            client_id: wanted.then(|| client_id.to_owned()),
        }
    }

    /// Nobody is told anything.
    pub(crate) const fn is_silent(&self) -> bool {
        self.client_id.is_none()
    }

    /// A line of its own, at once.
    pub(crate) fn tell(&self, what: fmt::Arguments<'_>) {
        let mut line = Vec::new();
        self.add(what, &mut line);
        tell_all(&line);
    }

    /// A line among others.
    pub(crate) fn add(&self, what: fmt::Arguments<'_>, out: &mut Vec<u8>) {
        if let Some(client_id) = &self.client_id {
            let mut line = String::new();
            writeln!(line, "Client {client_id} {what}").ok();
            out.extend_from_slice(line.as_bytes());
        }
    }

    pub(crate) fn connecting(&self) {
        self.tell(format_args!("sending CONNECT"));
    }

    pub(crate) fn connected(&self, code: u8) {
        self.tell(format_args!("received CONNACK ({code})"));
    }

    pub(crate) fn disconnecting(&self) {
        self.tell(format_args!("sending DISCONNECT"));
    }

    /// A message that came.
    pub(crate) fn received(&self, message: &Message, out: &mut Vec<u8>) {
        let packet_id = message.packet_id.unwrap_or(0);
        let (dup, qos, retain) = (u8::from(message.dup), message.qos.bits(), u8::from(message.retain));
        let (topic, length) = (message.topic.as_str(), message.payload.len());
        self.add(
            format_args!("received PUBLISH (d{dup}, q{qos}, r{retain}, m{packet_id}, '{topic}', ... ({length} bytes))"),
            out,
        );
    }

    /// A message that goes, the `number`th request.
    pub(crate) fn publishing(&self, number: u64, topic: &str, length: usize, (qos, retain): (QoS, bool)) {
        let (qos, retain) = (qos.bits(), u8::from(retain));
        self.tell(format_args!(
            "sending PUBLISH (d0, q{qos}, r{retain}, m{number}, '{topic}', ... ({length} bytes))"
        ));
    }

    /// The subscriptions that are asked for.
    pub(crate) fn subscribing(&self, filters: &[String], qos: QoS) {
        for filter in filters {
            let qos = qos.bits();
            self.tell(format_args!(
                "sending SUBSCRIBE (Mid: 1, Topic: {filter}, QoS: {qos}, Options: 0x00)"
            ));
        }
    }

    /// An answer to SUBSCRIBE.
    pub(crate) fn answered(&self) {
        self.tell(format_args!("received SUBACK"));
    }

    /// What was granted, one code for each filter.
    pub(crate) fn subscribed(&self, codes: &[u8]) {
        self.answered();
        if !self.is_silent() {
            let codes: Vec<_> = codes.iter().map(u8::to_string).collect();
            write_out(format!("Subscribed (mid: 1): {}\n", codes.join(", ")).as_bytes());
        }
    }
}

/// Lines that were added up.
pub(crate) fn tell_all(lines: &[u8]) {
    if !lines.is_empty() {
        write_out(lines);
    }
}

/// That nobody reads it is no reason to fail.
fn write_out(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).ok();
}
