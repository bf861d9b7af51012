//! The HTTP request that turns a connection into a WebSocket, and its answers.
//!
//! What must hold: a request is bounded; whatever is wrong with one, it gets a proper answer of HTTP and the connection
//! ends. `mqtt` is the sub protocol that is selected, wherever it stands among those offered [MQTT-6.0.0-4].
//! Deliberately absent: everything else of HTTP; this is no web server.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tungstenite::handshake::derive_accept_key;

use super::origins::Origins;

/// Bytes of a request, at most.
const LONGEST: usize = 8 * 1024;
/// Header lines of a request, at most.
const LINES: usize = 64;

/// What a listener asks of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct UpgradeRules {
    /// The path, if not any.
    pub(crate) path: Option<Box<str>>,
    /// Pages of these origins may connect. Who names no origin is no browser.
    pub(crate) origins: Origins,
    /// Payload of one frame, at most.
    pub(crate) frame_limit: u64,
}

/// What became of the bytes of a request.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Upgrade {
    Partial,
    /// So many bytes were the request; the answer holds this.
    Done {
        used: usize,
        accept: String,
    },
    Refused(u16, &'static str),
}

type Refusal = (u16, &'static str);

/// Looks at what has come of a request.
pub(super) fn read(rules: &UpgradeRules, bytes: &[u8]) -> Upgrade {
    let mut lines = [httparse::EMPTY_HEADER; LINES];
    let mut request = httparse::Request::new(&mut lines);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(used)) if used <= LONGEST => match check(rules, &request) {
            Ok(accept) => Upgrade::Done { used, accept },
            Err((status, why)) => Upgrade::Refused(status, why),
        },
        Ok(httparse::Status::Partial) if bytes.len() <= LONGEST => Upgrade::Partial,
        Ok(_) => Upgrade::Refused(431, "the request is too long"),
        Err(httparse::Error::TooManyHeaders) => Upgrade::Refused(431, "the request has too many header lines"),
        Err(httparse::Error::Version) => Upgrade::Refused(505, "HTTP/1.1 is spoken here"),
        Err(_) => Upgrade::Refused(400, "this is no HTTP request"),
    }
}

fn check(rules: &UpgradeRules, request: &httparse::Request<'_, '_>) -> Result<String, Refusal> {
    if request.method != Some("GET") {
        return Err((405, "a WebSocket begins with GET"));
    }
    if request.version != Some(1) {
        return Err((505, "HTTP/1.1 is spoken here"));
    }
    let target = request.path.unwrap_or_default();
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    if rules.path.as_deref().is_some_and(|known| known != path) {
        return Err((404, "there is nothing on this path"));
    }
    let host = only(request, "host").ok_or((400, "one Host is needed"))?;
    if !has_word(request, "upgrade", "websocket") || !has_word(request, "connection", "upgrade") {
        return Err((426, "only WebSocket is spoken here"));
    }
    if only(request, "sec-websocket-version") != Some("13") {
        return Err((426, "version 13 of WebSocket is spoken here"));
    }
    let key = only(request, "sec-websocket-key").ok_or((400, "one Sec-WebSocket-Key is needed"))?;
    if STANDARD.decode(key).map_or(0, |nonce| nonce.len()) != 16 {
        return Err((400, "Sec-WebSocket-Key has to be 16 bytes in base64"));
    }
    if !may_come(rules, request, host) {
        return Err((
            403,
            "pages of this origin may not connect here; the listener's option origins lets them",
        ));
    }
    // [MQTT-6.0.0-4] names of sub protocols are compared as they are.
    let offered = || values(request, "sec-websocket-protocol").flat_map(|line| line.split(','));
    if !offered().any(|name| name.trim_matches([' ', '\t']) == "mqtt") {
        return Err((400, "the sub protocol mqtt has to be offered"));
    }
    Ok(derive_accept_key(key.as_bytes()))
}

fn may_come(rules: &UpgradeRules, request: &httparse::Request<'_, '_>, host: &str) -> bool {
    let mut origins = values(request, "origin");
    let Some(origin) = origins.next() else { return true };
    origins.next().is_none() && rules.origins.admit(origin, host)
}

/// The lines of this name; one that is no text counts as an empty one.
fn values<'a>(request: &'a httparse::Request<'_, '_>, name: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = request.headers.iter();
    lines
        .filter(move |line| line.name.eq_ignore_ascii_case(name))
        .map(|line| std::str::from_utf8(line.value).unwrap_or_default().trim())
}

fn only<'a>(request: &'a httparse::Request<'_, '_>, name: &'a str) -> Option<&'a str> {
    let mut found = values(request, name);
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

fn has_word(request: &httparse::Request<'_, '_>, name: &str, word: &str) -> bool {
    let mut words = values(request, name).flat_map(|line| line.split(','));
    words.any(|found| found.trim_matches([' ', '\t']).eq_ignore_ascii_case(word))
}

/// Appends the answer that lets a client in.
pub(super) fn accept(accept: &str, out: &mut Vec<u8>) {
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
    );
    out.extend_from_slice(answer.as_bytes());
}

/// Appends the answer that does not.
pub(super) fn refuse(status: u16, why: &str, out: &mut Vec<u8>) {
    let (name, extra) = match status {
        403 => ("Forbidden", ""),
        404 => ("Not Found", ""),
        405 => ("Method Not Allowed", "Allow: GET\r\n"),
        426 => (
            "Upgrade Required",
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
        ),
        431 => ("Request Header Fields Too Large", ""),
        505 => ("HTTP Version Not Supported", ""),
        _ => ("Bad Request", ""),
    };
    let connection = if status == 426 { "close, Upgrade" } else { "close" };
    let answer = format!(
        "HTTP/1.1 {status} {name}\r\n{extra}Connection: {connection}\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {}\r\n\r\n{why}\n",
        why.len() + 1
    );
    out.extend_from_slice(answer.as_bytes());
}
