//! The numbered statements of MQTT 3.1.1 that this suite proves, from `statements.toml`, in our own words.
//!
//! What must hold: every statement that wants a server test has a function of its name; every function named like a
//! statement belongs to one. The file is flat enough to be read line by line.

/// One numbered statement.
#[derive(Clone, Debug, Default)]
pub struct Statement {
    /// Its number, for instance `MQTT-3.1.0-1`.
    pub id: String,
    /// The middle part of its test's name.
    pub slug: String,
    /// Whether a test over sockets against the server is wanted.
    pub server: bool,
}

impl Statement {
    /// The name of its test: `mqtt_3_1_0_1_first_packet_is_connect`.
    pub fn test(&self) -> String {
        let numbers = self.id.trim_start_matches("MQTT-").replace(['.', '-'], "_");
        format!("mqtt_{numbers}_{}", self.slug)
    }
}

/// All of them, in the standard's order.
pub fn statements() -> Vec<Statement> {
    let mut list: Vec<Statement> = Vec::new();
    for line in include_str!("../statements.toml").lines() {
        if line == "[[statement]]" {
            list.push(Statement::default());
        }
        let (Some(current), Some((key, value))) = (list.last_mut(), line.split_once(" = ")) else {
            continue;
        };
        match key {
            "id" => value.trim_matches('"').clone_into(&mut current.id),
            "slug" => value.trim_matches('"').clone_into(&mut current.slug),
            "tests" => current.server = value.contains("\"server\""),
            _ => {}
        }
    }
    list
}
