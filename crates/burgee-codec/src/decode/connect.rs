//! CONNECT: which protocol it speaks, and then the rest.
//!
//! Must hold: name and level are judged before anything behind them, as soon as they are there, so that a version which is
//! not spoken here is recognised however odd its packet looks.

use super::{Length, Limits};
use crate::error::DecodeError;
use crate::packet::{Connect, Will};
use crate::properties::Properties;
use crate::property::Place;
use crate::rule::{self, Checked};
use crate::topic::TopicName;
use crate::types::{QoS, Version};
use crate::wire::Reader;

const USER_NAME: u8 = 0x80;
const PASSWORD: u8 = 0x40;
const WILL_RETAIN: u8 = 0x20;
const WILL: u8 = 0x04;
const CLEAN: u8 = 0x02;
const RESERVED: u8 = 0x01;

/// The bytes of a name's length.
const LENGTH_FIELD: usize = 2;

/// The version in which the rest is to be read, and where it begins. `None`: name and level are not whole yet.
pub(super) fn judge_protocol(
    body: &[u8],
    length: &Length,
    limits: Limits,
) -> Result<Option<(Version, usize)>, DecodeError> {
    // Numbers of 3.1.1 until the version is known.
    let cut = |whole: u32| {
        rule::CONNECT
            .unless(length.value >= whole)
            .map_err(|broken| broken.tell(Version::V311))
    };
    cut(2)?; // [MQTT-3.1.4-1]
    let Some((&[high, low], behind)) = body.split_first_chunk::<LENGTH_FIELD>() else {
        return Ok(None);
    };
    let name_len = u16::from_be_bytes([high, low]);
    cut(u32::from(name_len) + 3)?; // [MQTT-3.1.4-1]
    if !matches!(name_len, 4 | 6) {
        return Err(DecodeError::UnknownProtocol);
    }
    let Some((name, rest)) = behind.split_at_checked(usize::from(name_len)) else {
        return Ok(None);
    };
    let Some(&level) = rest.first() else { return Ok(None) };
    // [MQTT-3.1.2-1] [MQTT-3.1.2-2]
    let version = match (name, level) {
        (b"MQTT", 4) => Version::V311,
        (b"MQTT", 5) => Version::V5,
        (b"MQIsdp", 3) => Version::V31,
        (b"MQTT" | b"MQIsdp", _) => return Err(DecodeError::UnsupportedLevel { level }),
        _ => return Err(DecodeError::UnknownProtocol),
    };
    if !limits.versions.contains(version) {
        // A server that does not speak 3.1 does not know its name either.
        return Err(match version {
            Version::V31 => DecodeError::UnknownProtocol,
            Version::V311 | Version::V5 => DecodeError::UnsupportedLevel { level },
        });
    }
    if version == Version::V5 && !length.is_minimal() {
        return Err(rule::NOT_MINIMAL.broken().tell(version)); // [MQTT5-1.5.5-1]
    }
    Ok(Some((version, LENGTH_FIELD + name.len() + 1)))
}

/// A whole CONNECT.
pub(super) fn connect<'a>(body: &'a [u8], length: &Length, limits: Limits) -> Result<Connect<'a>, DecodeError> {
    let Some((version, at)) = judge_protocol(body, length, limits)? else {
        return Err(rule::CONNECT.broken().tell(Version::V311));
    };
    behind_level(Reader::new(body.get(at..).unwrap_or_default()), version).map_err(|broken| broken.tell(version))
}

fn behind_level(mut reader: Reader<'_>, version: Version) -> Checked<Connect<'_>> {
    let flags = reader.u8(&rule::CONNECT)?;
    check_flags(flags, version)?;
    let keep_alive = reader.u16(&rule::CONNECT)?;
    let properties = properties(&mut reader, version, Place::Connect)?;
    let client_id = reader.string(&rule::CLIENT_ID)?; // [MQTT-3.1.3-3] [MQTT-3.1.3-4]
    let will = if flags & WILL == 0 {
        None
    } else {
        Some(will(&mut reader, flags, version)?)
    };
    // 3.1 says that the remaining length goes before these two flags: what does not come any more is absent.
    let announced =
        |flag: u8, reader: &Reader<'_>| flags & flag != 0 && !(version == Version::V31 && reader.is_empty());
    let user_name = if announced(USER_NAME, &reader) {
        Some(reader.string(&rule::USER_NAME_ABSENT)?) // [MQTT-3.1.2-19] [MQTT-3.1.3-11]
    } else {
        None // [MQTT-3.1.2-18]
    };
    let password = if announced(PASSWORD, &reader) {
        Some(reader.binary(&rule::PASSWORD_ABSENT)?) // [MQTT-3.1.2-21]
    } else {
        None // [MQTT-3.1.2-20]
    };
    super::end(&reader, &rule::CONNECT_TRAILING)?; // [MQTT-3.1.4-1]
    let clean_session = flags & CLEAN != 0;
    Ok(Connect {
        version,
        clean_session,
        keep_alive,
        client_id,
        will,
        user_name,
        password,
        properties,
    })
}

fn check_flags(flags: u8, version: Version) -> Checked<()> {
    // [MQTT-3.1.2-22] 5.0 allows a password alone.
    let password_alone = flags & (USER_NAME | PASSWORD) == PASSWORD;
    rule::PASSWORD_ALONE.unless(!password_alone || version == Version::V5)?;
    if version == Version::V31 {
        return Ok(()); // It lets a receiver pass over the bits that mean nothing.
    }
    rule::CONNECT_RESERVED.unless(flags & RESERVED == 0)?; // [MQTT-3.1.2-3]
    if flags & WILL == 0 {
        rule::NO_WILL_QOS.unless(will_qos(flags) == Some(QoS::AtMostOnce))?; // [MQTT-3.1.2-11] [MQTT-3.1.2-13]
        rule::NO_WILL_RETAIN.unless(flags & WILL_RETAIN == 0)?; // [MQTT-3.1.2-15]
    }
    Ok(())
}

const fn will_qos(flags: u8) -> Option<QoS> {
    QoS::from_bits(flags >> 3 & 3)
}

fn will<'a>(reader: &mut Reader<'a>, flags: u8, version: Version) -> Checked<Will<'a>> {
    let absent = &rule::WILL_ABSENT; // [MQTT-3.1.2-9]
    Ok(Will {
        qos: will_qos(flags).ok_or(rule::WILL_QOS.broken())?, // [MQTT-3.1.2-14]
        retain: flags & WILL_RETAIN != 0,
        properties: properties(reader, version, Place::Will)?,
        topic: TopicName::parse(reader.utf8(absent)?)?, // [MQTT-3.1.3-10] [MQTT-4.7.3-1] [MQTT-4.7.1-1]
        payload: reader.binary(absent)?,
    })
}

fn properties<'a>(reader: &mut Reader<'a>, version: Version, place: Place) -> Checked<Properties<'a>> {
    if version == Version::V5 {
        Properties::read(reader, place)
    } else {
        Ok(Properties::default())
    }
}
