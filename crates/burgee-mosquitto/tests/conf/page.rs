//! The table of options in `docs/from-mosquitto.md` is made from the one that the importer reads by.

use burgee_mosquitto::conf::{Becomes, Place, options};
use std::fmt::Write as _;
use std::path::Path;

const BEGIN: &str = "<!-- made from the table of the importer: BURGEE_BLESS=1 cargo test -p burgee-mosquitto -->\n";
const END: &str = "<!-- end -->\n";

fn tables() -> String {
    let mut text = String::from(BEGIN);
    for (place, title) in [
        (Place::Broker, "For the broker"),
        (Place::Listener, "For a listener"),
        (Place::Bridge, "For a bridge"),
    ] {
        write!(text, "\n**{title}**\n\n| Mosquitto | burgee | |\n| --- | --- | --- |\n").unwrap();
        for known in options().iter().filter(|known| known.place == place) {
            let name = known.name.replace('*', "\\*");
            let becomes = match known.becomes {
                Becomes::Setting(setting) => format!("`{setting}`"),
                Becomes::Needless(["*"]) => "not needed".to_owned(),
                Becomes::Needless(values) => format!("not needed for {}; else none", values.join(", ")),
                Becomes::Nothing => "none".to_owned(),
            };
            writeln!(text, "| `{name}` | {becomes} | {} |", known.note).unwrap();
        }
    }
    text.push('\n');
    text.push_str(END);
    text
}

#[test]
fn the_page_shows_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/from-mosquitto.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let made = format!("{before}{}{after}", tables());
    if std::env::var_os("BURGEE_BLESS").is_some() {
        std::fs::write(&path, &made).unwrap();
        return;
    }
    assert!(
        page == made,
        "docs/from-mosquitto.md is stale: BURGEE_BLESS=1 cargo test -p burgee-mosquitto"
    );
}
