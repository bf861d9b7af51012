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

/// What came of a reload, for whoever asked for it: what is in the log as well, and why nothing was taken over.
pub(super) type Outcome = (Vec<String>, Result<(), String>);

impl Reloader<'_> {
    /// Reads all sources again, and takes over what can be changed.
    pub(super) fn reload(&self, broker: &mut Broker, now: &mut Checked) -> Outcome {
        tracing::info!("reading the settings again");
        let mut new = match burgee_config::load(&self.settings.sources()) {
            Ok(new) => new,
            Err(problems) => {
                let said = problems.to_string();
                tracing::error!("{UNUSABLE}:\n{said}");
                return (said.lines().map(str::to_owned).collect(), Err(UNUSABLE.to_owned()));
            }
        };
        new.keep_shards(now.broker.shards);
        let report = match broker.reload(&new.broker, BTreeSet::new()) {
            Ok(report) => report,
            Err(error) => {
                tracing::error!("{UNUSABLE}: {error}");
                return (Vec::new(), Err(format!("{UNUSABLE}: {error}")));
            }
        };
        let mut said = Vec::new();
        let changes = now.settings.changes(&new.settings);
        for warning in new.warnings.iter() {
            tracing::warn!("{warning}");
            said.push(format!("warning: {}", warning.to_string().replace('\n', " ")));
        }
        say_changes(&changes, &mut said);
        say_farewells(&report.dismissed, &mut said);
        new.settings = now.settings.after_reload(&new.settings);
        // Behind what is said about it: it may be switched off.
        self.log.set(new.log.clone());
        let (count, gone) = (changes.len(), report.dismissed.len());
        let total = format!("settings are taken over: {count} changed, {gone} connections closed");
        tracing::info!("{total}");
        said.push(total);
        *now = new;
        (said, Ok(()))
    }
}

/// Before why.
const UNUSABLE: &str = "these settings cannot be used, everything is as it was";

fn say_changes(changes: &[Change], said: &mut Vec<String>) {
    for change in changes {
        let line = match change.reload {
            Reload::Live => format!("changed: {change}"),
            Reload::Restart => format!("changed, but needs a restart: {change}"),
        };
        match change.reload {
            Reload::Live => tracing::info!("{line}"),
            Reload::Restart => tracing::warn!("{line}"),
        }
        said.push(line);
    }
}

fn say_farewells(dismissed: &[Farewell], said: &mut Vec<String>) {
    for Farewell { client_id, peer, why } in dismissed.iter().take(NAMED) {
        let (client, peer) = (
            client_id.as_deref().unwrap_or_default().escape_debug(),
            peer.as_deref().unwrap_or_default(),
        );
        tracing::info!(%client, peer, "disconnected: {why}");
        said.push(format!("disconnected: {client} ({peer}): {why}"));
    }
    if let Some(more) = dismissed.len().checked_sub(NAMED).filter(|more| *more > 0) {
        tracing::info!("disconnected: {more} more");
        said.push(format!("disconnected: {more} more"));
    }
}
