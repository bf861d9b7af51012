//! A message as a line of JSON, in both directions: what `sub --json` prints, `record` writes, `pub --json` and `replay` read.
//!
//! What must hold: what is written reads back as the same message, any bytes included. Lines of Mosquitto's `%j` and `%J`
//! are read as well. Deliberately absent: the end of the line, and where lines come from.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use burgee_client::{Message, QoS, TopicName};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// Writes a message as an object. `more` stands before its parts.
pub(crate) fn write(message: &Message, more: &[(&str, &Value)], out: &mut Vec<u8>) {
    let mut separator = "{";
    let mut add = |name: &str, value: &Value| {
        // Writing into memory cannot fail.
        out.extend_from_slice(std::mem::replace(&mut separator, ",").as_bytes());
        serde_json::to_writer(&mut *out, name).ok();
        out.push(b':');
        serde_json::to_writer(&mut *out, value).ok();
    };
    for (name, value) in more {
        add(name, value);
    }
    add("topic", &message.topic.as_str().into());
    add("qos", &message.qos.bits().into());
    add("retain", &message.retain.into());
    match std::str::from_utf8(&message.payload) {
        Ok(text) => add("payload", &text.into()),
        Err(_) => add("payload_base64", &BASE64_STANDARD.encode(&message.payload).into()),
    }
    out.push(b'}');
}

/// What a line says of a message to publish.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) topic: Option<String>,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: Option<QoS>,
    pub(crate) retain: Option<bool>,
    /// Seconds since the recording began.
    pub(crate) at: Option<f64>,
}

/// The object as it stands. What we do not know is left alone.
#[derive(Deserialize)]
struct Raw {
    topic: Option<Value>,
    qos: Option<Value>,
    retain: Option<Value>,
    // `null` is a payload, too.
    #[serde(default, deserialize_with = "present")]
    payload: Option<Box<RawValue>>,
    payload_base64: Option<Value>,
    at: Option<Value>,
}

fn present<'a, D: serde::Deserializer<'a>>(value: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::deserialize(value).map(Some)
}

impl Line {
    /// Reads a line, or says what is wrong with it.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, String> {
        if line.trim_ascii_start().first() != Some(&b'{') {
            return Err("a line is a JSON object: {\"topic\":\"a/b\",\"payload\":\"text\"}".to_owned());
        }
        let raw: Raw = serde_json::from_slice(line).map_err(|error| format!("this is no JSON: {error}"))?;
        Ok(Self {
            topic: topic(raw.topic)?,
            qos: qos(raw.qos)?,
            retain: retain(raw.retain)?,
            payload: payload(raw.payload.as_deref(), raw.payload_base64)?,
            at: at(raw.at)?,
        })
    }
}

fn topic(value: Option<Value>) -> Result<Option<String>, String> {
    match value {
        None => Ok(None),
        Some(Value::String(topic)) => {
            TopicName::parse(&topic).map_err(|error| format!("the topic {topic:?} is not valid: {error}"))?;
            Ok(Some(topic))
        }
        Some(other) => Err(format!("\"topic\" is a string, not {other}")),
    }
}

fn at(value: Option<Value>) -> Result<Option<f64>, String> {
    let Some(value) = value else { return Ok(None) };
    match value.as_f64() {
        Some(at) if at >= 0.0 => Ok(Some(at)),
        _ => Err(format!("\"at\" is a number of seconds, not {value}")),
    }
}

fn qos(value: Option<Value>) -> Result<Option<QoS>, String> {
    match value {
        None => Ok(None),
        Some(value) => {
            let level = value.as_u64().and_then(|level| u8::try_from(level).ok());
            let qos = level.and_then(QoS::from_bits);
            qos.map(Some)
                .ok_or_else(|| format!("\"qos\" is 0, 1 or 2, not {value}"))
        }
    }
}

/// Mosquitto writes 0 and 1.
fn retain(value: Option<Value>) -> Result<Option<bool>, String> {
    match value {
        None => Ok(None),
        Some(Value::Bool(retain)) => Ok(Some(retain)),
        Some(value) => match value.as_u64() {
            Some(0) => Ok(Some(false)),
            Some(1) => Ok(Some(true)),
            _ => Err(format!("\"retain\" is true or false, not {value}")),
        },
    }
}

/// A string is the payload itself; any other JSON is a payload that is JSON, and stays as it is written.
fn payload(plain: Option<&RawValue>, base64: Option<Value>) -> Result<Vec<u8>, String> {
    match (plain, base64) {
        (None, None) => Ok(Vec::new()),
        (Some(raw), None) if raw.get().starts_with('"') => {
            let text: Result<String, _> = serde_json::from_str(raw.get());
            text.map(String::into_bytes)
                .map_err(|error| format!("\"payload\" is no text: {error}; \"payload_base64\" takes any bytes"))
        }
        (Some(raw), None) => Ok(raw.get().to_owned().into_bytes()),
        (None, Some(Value::String(text))) => BASE64_STANDARD
            .decode(&text)
            .map_err(|error| format!("\"payload_base64\" is no Base64: {error}")),
        (None, Some(other)) => Err(format!("\"payload_base64\" is a string, not {other}")),
        (Some(_), Some(_)) => Err("give \"payload\" or \"payload_base64\", not both".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burgee_client::TopicNameBuf;

    #[test]
    fn what_is_written_reads_back_as_the_same() {
        for payload in [&b"text \"\n"[..], b"", b"\0\xFF\xFE", "\u{1F600}".as_bytes()] {
            let message = Message {
                topic: TopicNameBuf::parse("a \"b\"/c").expect("valid"),
                payload: payload.into(),
                qos: QoS::AtLeastOnce,
                retain: true,
                dup: false,
                packet_id: None,
            };
            let mut line = Vec::new();
            write(&message, &[("at", &Value::from(1.5))], &mut line);
            let read = Line::parse(&line).expect("our own line");
            let expected = Line {
                topic: Some("a \"b\"/c".to_owned()),
                payload: payload.to_vec(),
                qos: Some(QoS::AtLeastOnce),
                retain: Some(true),
                at: Some(1.5),
            };
            assert_eq!(read, expected);
        }
    }

    #[test]
    fn lines_of_mosquitto_are_read_and_json_payloads_stay_json() {
        let line = br#"{"tst":"2026","topic":"t","qos":0,"retain":1,"payloadlen":3,"payload":{"b":1,"a":[2]}}"#;
        let read = Line::parse(line).expect("a line");
        assert_eq!((read.retain, read.qos), (Some(true), Some(QoS::AtMostOnce)));
        assert_eq!(read.payload, br#"{"b":1,"a":[2]}"#);
        assert_eq!(Line::parse(b"{}").expect("empty").payload, b"");
        assert_eq!(Line::parse(br#"{"payload":null}"#).expect("null").payload, b"null");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, word) in [
            (&b"x"[..], "JSON"),
            (b"[]", "object"),
            (br#"{"topic":1}"#, "topic"),
            (br#"{"topic":"a/#"}"#, "a/#"),
            (br#"{"qos":3}"#, "qos"),
            (br#"{"retain":2}"#, "retain"),
            (br#"{"at":-1}"#, "at"),
            (br#"{"payload_base64":"?"}"#, "Base64"),
            (br#"{"payload":"\ud800"}"#, "payload_base64"),
            (br#"{"payload":"","payload_base64":""}"#, "both"),
        ] {
            let error = Line::parse(line).expect_err("wrong");
            assert!(error.contains(word), "{error}");
        }
    }
}
