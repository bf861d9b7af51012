//! Settings read again while the broker runs.
//!
//! What must hold: what is wrong is told and changes nothing; what was changed, what waits for a restart and who had to go
//! is in the log, and no secret. Deliberately absent: how a broker takes settings over; see `Broker::reload`.

use std::collections::BTreeSet;

use burgee_broker::{Broker, Farewell};
use burgee_config::{Change, Checked, Reload};

use crate::log::Log;
use crate::settings::Settings;

/// Lines about clients that had to go; the others are counted.
const NAMED: usize = 1000;

/// See the module.
pub(super) struct Reloader<'a> {
    pub(super) settings: &'a Settings,
    pub(super) log: &'a Log,
}

impl Reloader<'_> {
    /// Reads all sources again, and takes over what can be changed.
    pub(super) fn reload(&self, broker: &mut Broker, now: &mut Checked) {
        tracing::info!("reading the settings again");
        let mut new = match burgee_config::load(&self.settings.sources()) {
            Ok(new) => new,
            Err(problems) => {
                tracing::error!("these settings cannot be used, everything is as it was:\n{problems}");
                return;
            }
        };
        new.keep_shards(now.broker.shards);
        let report = match broker.reload(&new.broker, BTreeSet::new()) {
            Ok(report) => report,
            Err(error) => {
                tracing::error!("these settings cannot be used, everything is as it was: {error}");
                return;
            }
        };
        let changes = now.settings.changes(&new.settings);
        for warning in new.warnings.iter() {
            tracing::warn!("{warning}");
        }
        say_changes(&changes);
        say_farewells(&report.dismissed);
        new.settings = now.settings.after_reload(&new.settings);
        // Behind what is said about it: it may be switched off.
        self.log.set(new.log.clone());
        let (count, gone) = (changes.len(), report.dismissed.len());
        tracing::info!("settings are taken over: {count} changed, {gone} connections closed");
        *now = new;
    }
}

fn say_changes(changes: &[Change]) {
    for change in changes {
        match change.reload {
            Reload::Live => tracing::info!("changed: {change}"),
            Reload::Restart => tracing::warn!("changed, but needs a restart: {change}"),
        }
    }
}

fn say_farewells(dismissed: &[Farewell]) {
    for Farewell { client_id, peer, why } in dismissed.iter().take(NAMED) {
        let client = client_id.as_deref().unwrap_or_default().escape_debug();
        tracing::info!(%client, peer = peer.as_deref().unwrap_or_default(), "disconnected: {why}");
    }
    if let Some(more) = dismissed.len().checked_sub(NAMED).filter(|more| *more > 0) {
        tracing::info!("disconnected: {more} more");
    }
}
