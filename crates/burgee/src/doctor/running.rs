//! Whether a broker runs with these settings and goes on: a probe for containers and monitoring.
//!
//! What must hold: it ends within seconds, and asks without a login. Deliberately absent: clients' ways to the broker; a
//! probe that publishes is `burgee pub`.

use std::path::Path;

use burgee_broker::{Asked, Durability, ask_whether_alive};
use burgee_config::Checked;

use super::Finding;

/// Asks the broker that these settings would start.
pub(super) fn ask_with(checked: &Checked) -> Finding {
    let Durability::Kept { directory, .. } = &checked.broker.durability else {
        let what = "a broker that keeps nothing has no directory in which it could be asked";
        let way_out = "set store.durability, or probe with burgee sub -t '$SYS/broker/uptime' -C 1 -W 5";
        return Finding::wrong("running", what, way_out);
    };
    ask(directory)
}

/// Asks the broker that has its data there.
pub(super) fn ask(directory: &Path) -> Finding {
    let shown = directory.display();
    match ask_whether_alive(directory) {
        Asked::Done => Finding::fine(
            "running",
            format!("a broker runs on {shown}, and all its threads go on"),
        ),
        Asked::NobodyThere => {
            let way_out = "start it, or name the settings that it runs with, or its directory with --data; it has to keep data on disk";
            Finding::wrong("running", format!("no broker runs on {shown}"), way_out)
        }
        Asked::Failed(why) => {
            let way_out = "look into its log; as another user than the broker's, nobody may ask";
            Finding::wrong("running", format!("{shown}: {why}"), way_out)
        }
    }
}
