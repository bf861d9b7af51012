//! What is counted around the shards, under the names that it has in `$SYS`.
//!
//! What must hold: the same names each time, in the same order. Deliberately absent: what a shard counts itself; see `sys` of
//! burgee-core.

use crate::door::Doors;
use crate::logins::Logins;

/// Topics below `$SYS/broker`, and their values.
pub(crate) fn values(doors: &Doors, logins: Option<&Logins>) -> Vec<(&'static str, u64)> {
    let at = doors.counters();
    let mut values = vec![
        ("burgee/connections/open", at.open as u64),
        ("burgee/connections/handshakes", at.handshakes as u64),
        ("burgee/connections/unfinished_bytes", at.unfinished_bytes as u64),
        ("burgee/connections/closed_unfinished", at.closed_unfinished),
        ("burgee/connections/failed_handshakes", at.failed_handshakes),
        ("burgee/connections/refused/full", at.refused_full),
        ("burgee/connections/refused/listener_full", at.refused_listener_full),
        ("burgee/connections/refused/handshakes", at.refused_handshakes),
        ("burgee/connections/refused/address", at.refused_address),
        ("burgee/connections/refused/rate", at.refused_rate),
    ];
    if let Some(logins) = logins {
        let of = logins.counters();
        values.extend([
            ("burgee/logins/waiting", logins.waiting() as u64),
            ("burgee/logins/accepted/anonymous", of.anonymous),
            ("burgee/logins/accepted/certificate", of.certificate),
            ("burgee/logins/accepted/password", of.passwords),
            ("burgee/logins/accepted/token", of.tokens),
            ("burgee/logins/accepted/http", of.http),
            ("burgee/logins/remembered", of.remembered),
            ("burgee/logins/refused/anonymous", of.refused_anonymous),
            ("burgee/logins/refused/credentials", of.refused_credentials),
            ("burgee/logins/refused/token", of.refused_token),
            ("burgee/logins/refused/denied", of.refused_denied),
            ("burgee/logins/refused/failures", of.refused_failures),
            ("burgee/logins/refused/queue", of.refused_queue),
            ("burgee/logins/refused/waited", of.refused_waited),
            ("burgee/logins/refused/down", of.refused_down),
            ("burgee/logins/gone", of.gone),
            ("burgee/logins/blocked/names", of.blocked),
            ("burgee/logins/blocked/addresses", of.blocked_origins),
        ]);
    }
    values
}
