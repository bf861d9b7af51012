//! Options of the broker as a whole, and which listener the others belong to.

use std::path::PathBuf;

use super::draft::{Along, Draft};
use super::listener::{opened, port};
use super::remark::At;
use super::units::{boolean, limit, number, period, quoted};

/// The longest topic with its length, and a packet identifier: what a packet has besides its payload.
const AROUND_PAYLOAD: u64 = 65_535 + 2 + 2;
/// What four bytes of length can say.
const LARGEST_PACKET: u64 = 268_435_455;

/// Takes one option. Says whether it is one of these.
///
/// # Errors
/// The value cannot be.
pub(super) fn take(draft: &mut Draft, option: &str, value: &str, at: &At) -> Result<bool, String> {
    let unlimited = |limit: Option<u64>| limit.map_or_else(|| quoted("unlimited"), |limit| limit.to_string());
    let (setting, text) = match option {
        "persistent_client_expiration" => ("session.expiry", quoted(&period(value)?)),
        "max_inflight_messages" => ("session.window", window(number(value)?)?),
        "max_queued_messages" => ("session.queue_messages", unlimited(limit(value, "0")?)),
        "max_queued_bytes" => ("session.queue_bytes", unlimited(limit(value, "0")?)),
        "max_packet_size" => {
            let most = limit(value, "0")?.map_or(LARGEST_PACKET, |most| most.min(LARGEST_PACKET));
            ("limits.max_packet", most.to_string())
        }
        "message_size_limit" => {
            let most = limit(value, "0")?.map_or(LARGEST_PACKET, |most| most.saturating_add(AROUND_PAYLOAD));
            ("limits.max_packet", most.min(LARGEST_PACKET).to_string())
        }
        "memory_limit" => ("limits.memory", unlimited(limit(value, "0")?)),
        "global_max_connections" => ("limits.max_connections", unlimited(limit(value, "-1")?)),
        "global_max_clients" => ("limits.max_sessions", unlimited(limit(value, "-1")?)),
        "sys_interval" => ("broker.sys_interval", quoted(&format!("{}s", number(value)?))),
        "log_type" => return log_type(draft, value, at).map(|()| true),
        _ => return users_and_files(draft, option, value, at),
    };
    draft.set(setting, text, at);
    Ok(true)
}

fn window(count: u64) -> Result<String, String> {
    match count {
        0 => Ok(u16::MAX.to_string()),
        1..=65_535 => Ok(count.to_string()),
        _ => Err(format!("{count} is more than packet identifiers can tell apart")),
    }
}

fn users_and_files(draft: &mut Draft, option: &str, value: &str, at: &At) -> Result<bool, String> {
    match option {
        "allow_anonymous" => {
            let allowed = boolean(value)?;
            if draft.per_listener {
                draft.listener().anonymous = Some(allowed);
            } else {
                draft.anonymous = Some(allowed);
            }
        }
        "per_listener_settings" => draft.per_listener = boolean(value)?,
        "persistence" | "retained_persistence" => draft.persistence = boolean(value)?,
        "persistence_location" => draft.location = Some(value.into()),
        "persistence_file" => draft.database = Some(value.into()),
        "password_file" => {
            draft.listener().passwords = Some(value.into());
            draft.along.push(along("password_file", value, at));
        }
        "acl_file" => {
            draft.listener().rules = Some(value.into());
            draft.along.push(along("acl_file", value, at));
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn along(option: &'static str, value: &str, at: &At) -> Along {
    Along {
        option,
        path: PathBuf::from(value),
        at: at.clone(),
    }
}

/// Mosquitto adds types to each other; our levels include the ones above.
fn log_type(draft: &mut Draft, value: &str, at: &At) -> Result<(), String> {
    const LEVELS: [&str; 5] = ["off", "error", "warn", "info", "debug"];
    let level = match value {
        "none" => 0,
        "error" => 1,
        "warning" => 2,
        "notice" | "information" | "subscribe" | "unsubscribe" | "internal" | "websockets" => 3,
        "debug" | "all" => 4,
        _ => return Err(format!("{value:?} is no type of log lines")),
    };
    let said = draft.values.iter().find(|said| said.key == "level");
    let before = LEVELS
        .iter()
        .position(|known| said.is_some_and(|said| said.text == quoted(known)));
    if before.is_none_or(|before| before < level) {
        let word = LEVELS.get(level).copied().unwrap_or("info");
        draft.set("log.level", quoted(word), at);
    }
    Ok(())
}

/// Takes one option that is about a listener. Says whether it is one of these.
///
/// # Errors
/// The value cannot be.
pub(super) fn take_for_listener(draft: &mut Draft, option: &str, value: &str, at: &At) -> Result<bool, String> {
    match option {
        "listener" => {
            let opened = opened(value, at);
            // One that cannot be read is there too, for what follows is not about the one before it.
            draft.listeners.push(opened.clone().unwrap_or_default());
            opened?;
        }
        // These two are always about the listener without a name.
        "port" => {
            draft.first.port = Some(port(value)?);
            draft.first.at.get_or_insert_with(|| at.clone());
        }
        "bind_address" => {
            draft.first.address = Some(value.to_owned());
            draft.first.at.get_or_insert_with(|| at.clone());
        }
        _ => return draft.listener().take(option, value),
    }
    Ok(true)
}
