//! The conformance suite: every server statement of MQTT 3.1.1 and our decisions, one named test each, over sockets.
//!
//! What must hold: a test is called `mqtt_<numbers>_<slug>` after its statement, or by a decision or subject of ours;
//! each runs with one shard and with three. Statement texts: `statements.toml`; results: `docs/conformance.md`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests: a panic is how they report"
)]

use burgee_conformance::statements::statements;

mod c1_data;
mod c2_format;
mod c3_01_connect;
mod c3_01_fields;
mod c3_01_keep_alive;
mod c3_01_session;
mod c3_01_will;
mod c3_02_connack;
mod c3_03_publish;
mod c3_03_retained;
mod c3_08_subscribe;
mod c3_10_unsubscribe;
mod c3_14_end;
mod c4_errors;
mod c4_order;
mod c4_qos;
mod c4_state;
mod c4_topics;
mod c6_websocket;
mod c7_transport;
mod d_connect;
mod d_delivery;
mod d_flow;
mod limits;
mod mqtt31;
mod options;
mod robust;
mod share;
mod sys;
mod volume;

/// Statements whose server test runs in the process of `burgee-core`: they cannot be seen from outside.
const IN_PROCESS: &[&str] = &["MQTT-4.8.0-2"];

fn names() -> Vec<&'static str> {
    [
        c1_data::NAMES,
        c2_format::NAMES,
        c3_01_connect::NAMES,
        c3_01_fields::NAMES,
        c3_01_keep_alive::NAMES,
        c3_01_session::NAMES,
        c3_01_will::NAMES,
        c3_02_connack::NAMES,
        c3_03_publish::NAMES,
        c3_03_retained::NAMES,
        c3_08_subscribe::NAMES,
        c3_10_unsubscribe::NAMES,
        c3_14_end::NAMES,
        c4_errors::NAMES,
        c4_order::NAMES,
        c4_qos::NAMES,
        c4_state::NAMES,
        c4_topics::NAMES,
        c6_websocket::NAMES,
        c7_transport::NAMES,
        d_connect::NAMES,
        d_delivery::NAMES,
        d_flow::NAMES,
        limits::NAMES,
        mqtt31::NAMES,
        options::NAMES,
        robust::NAMES,
        share::NAMES,
        sys::NAMES,
        volume::NAMES,
    ]
    .concat()
}

#[test]
fn every_server_statement_has_its_test() {
    let names = names();
    let missing: Vec<String> = statements()
        .iter()
        .filter(|one| one.server && !IN_PROCESS.contains(&one.id.as_str()))
        .map(burgee_conformance::statements::Statement::test)
        .filter(|test| !names.contains(&test.as_str()))
        .collect();
    assert!(missing.is_empty(), "statements without a test: {missing:#?}");
}

#[test]
fn no_test_names_an_unknown_statement() {
    let tests: Vec<String> = statements()
        .iter()
        .map(burgee_conformance::statements::Statement::test)
        .collect();
    for name in names().iter().filter(|name| name.starts_with("mqtt_")) {
        let known = tests
            .iter()
            .any(|test| name == test || name.starts_with(&format!("{test}_")));
        assert!(known, "{name} belongs to no statement");
    }
}

#[test]
fn no_name_is_used_twice() {
    let mut names = names();
    names.sort_unstable();
    let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(twice.is_empty(), "{twice:?}");
}
