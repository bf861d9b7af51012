//! Sections 3.1, 3.2 and 3.14: CONNECT byte by byte, CONNACK and its refusals, keep alive, DISCONNECT.

use super::support::{CONNACK, RESUMED, Server, leave, pair, soon};
use burgee_client::connection::Connection;
use burgee_client::{ConnectError, End, Error, Invalid, Options, QoS, Refused, Version, Will};
use std::time::Duration;

async fn connect_packet(options: impl FnOnce(Options) -> Options) -> String {
    let server = Server::start().await;
    let (client, _peer, connect) = server.answer(&options(server.options()), CONNACK).await;
    client.unwrap();
    connect
}

async fn refused(connack: &str) -> ConnectError {
    let server = Server::start().await;
    let (client, mut peer, _) = server.answer(&server.options(), connack).await;
    let error = client.expect_err("refused");
    peer.ended().await;
    error
}

async fn invalid(options: Options) -> Invalid {
    match Connection::connect(&options).await {
        Err(ConnectError::Invalid(invalid)) => invalid,
        other => panic!("{other:?}"),
    }
}

fn nowhere() -> Options {
    Options::new("127.0.0.1", 9)
}

#[tokio::test]
async fn mqtt_3_1_0_1_first_packet_is_connect() {
    let plain = "10 0D 00 04 4D 51 54 54 04 02 00 00 00 01 63";
    assert_eq!(connect_packet(|options| options).await, plain);
}

#[tokio::test]
async fn a_client_of_3_1_says_so() {
    let old = "10 0F 00 06 4D 51 49 73 64 70 03 02 00 00 00 01 63";
    assert_eq!(connect_packet(|options| options.version(Version::V31)).await, old);
}

#[tokio::test]
async fn mqtt_3_1_2_2_unsupported_level_gets_connack_01() {
    assert!(matches!(
        refused("20 02 00 01").await,
        ConnectError::Refused(Refused(1))
    ));
}

async fn flags(options: impl FnOnce(Options) -> Options) -> u8 {
    let connect = connect_packet(options).await;
    u8::from_str_radix(connect.split(' ').nth(9).unwrap(), 16).unwrap()
}

fn full(options: Options) -> Options {
    let will = Will::new("w", *b"\x00\xFF").qos(QoS::ExactlyOnce).retain(true);
    options.will(will).user_name("u").password(*b"\xFEp")
}

#[tokio::test]
async fn mqtt_3_1_2_3_reserved_connect_flag_closes() {
    assert_eq!(flags(full).await & 1, 0);
}

#[tokio::test]
async fn mqtt_3_1_2_9_will_flag_needs_will_fields() {
    let connect = connect_packet(|options| options.will(Will::new("w", *b"\x00\xFF").qos(QoS::AtLeastOnce))).await;
    assert_eq!(
        connect,
        "10 14 00 04 4D 51 54 54 04 0E 00 00 00 01 63 00 01 77 00 02 00 FF"
    );
    let empty = connect_packet(|options| options.will(Will::new("w", ""))).await;
    assert!(empty.ends_with("00 01 77 00 00"));
}

#[tokio::test]
async fn mqtt_3_1_2_11_no_will_flag_no_will_fields() {
    let connect = connect_packet(|options| options.user_name("u")).await;
    assert!(connect.ends_with("04 82 00 00 00 01 63 00 01 75"));
}

#[tokio::test]
async fn mqtt_3_1_2_13_will_qos_zero_without_will() {
    assert_eq!(flags(|options| options).await & 0b0001_1000, 0);
}

#[tokio::test]
async fn mqtt_3_1_2_15_will_retain_zero_without_will() {
    assert_eq!(flags(|options| options).await & 0b0010_0000, 0);
}

#[tokio::test]
async fn mqtt_3_1_2_18_no_user_flag_no_user_name() {
    let connect = connect_packet(|options| options.will(Will::new("w", "x"))).await;
    assert!(connect.ends_with("04 06 00 00 00 01 63 00 01 77 00 01 78"));
}

#[tokio::test]
async fn mqtt_3_1_2_19_user_flag_needs_user_name() {
    assert!(
        connect_packet(|options| options.user_name(""))
            .await
            .ends_with("04 82 00 00 00 01 63 00 00")
    );
}

#[tokio::test]
async fn mqtt_3_1_2_20_no_password_flag_no_password() {
    assert_eq!(flags(|options| options.user_name("u")).await & 0b0100_0000, 0);
}

#[tokio::test]
async fn mqtt_3_1_2_21_password_flag_needs_password() {
    let connect = connect_packet(|options| options.user_name("u").password(*b"\x00\xFF")).await;
    assert!(connect.ends_with("04 C2 00 00 00 01 63 00 01 75 00 02 00 FF"));
}

#[tokio::test]
async fn mqtt_3_1_2_22_password_needs_user_name() {
    assert_eq!(invalid(nowhere().password("p")).await, Invalid::PasswordWithoutUserName);
}

#[tokio::test]
async fn mqtt_3_1_2_23_client_sends_within_keep_alive() {
    let server = Server::start().await;
    let (_client, _messages, mut peer) = server.welcome(&server.options().keep_alive(1)).await;
    peer.expect(&["C0 00"]).await;
    peer.send("D0 00").await;
    peer.expect(&["C0 00"]).await;
}

#[tokio::test]
async fn a_server_that_never_answers_ping_is_given_up() {
    let server = Server::start().await;
    let (client, mut messages, mut peer) = server.welcome(&server.options().keep_alive(1)).await;
    assert!(matches!(soon("it notices", client.ended()).await, End::Silent));
    assert_eq!(messages.next().await, None);
    assert_eq!(peer.packet().await, "C0 00");
}

#[tokio::test]
async fn mqtt_3_1_3_1_connect_payload_order() {
    let all = "10 1B 00 04 4D 51 54 54 04 F6 00 00 00 01 63 00 01 77 00 02 00 FF 00 01 75 00 02 FE 70";
    assert_eq!(connect_packet(full).await, all);
}

#[tokio::test]
async fn mqtt_3_1_3_3_client_id_is_present_and_first() {
    assert!(
        connect_packet(|options| options.client_id("name"))
            .await
            .ends_with("04 02 00 00 00 04 6E 61 6D 65")
    );
}

#[tokio::test]
async fn mqtt_3_1_3_7_empty_client_id_needs_clean_session() {
    assert!(
        connect_packet(|options| options.client_id(""))
            .await
            .ends_with("04 02 00 00 00 00")
    );
    assert_eq!(invalid(nowhere().clean_session(false)).await, Invalid::ClientIdEmpty);
    assert_eq!(invalid(nowhere().version(Version::V31)).await, Invalid::ClientIdEmpty);
}

#[tokio::test]
async fn mqtt_3_1_3_8_empty_client_id_with_clean0_gets_connack_02() {
    let error = refused("20 02 00 02").await;
    assert!(matches!(error, ConnectError::Refused(Refused(2))));
    assert!(error.to_string().contains("client identifier"));
}

#[tokio::test]
async fn mqtt_3_1_3_10_will_topic_is_utf8() {
    for topic in ["", "a/+", "#", "a\0"] {
        assert!(
            matches!(invalid(nowhere().will(Will::new(topic, ""))).await, Invalid::Topic(_)),
            "{topic:?}"
        );
    }
}

#[tokio::test]
async fn fields_above_65535_bytes_are_refused() {
    let long = "x".repeat(65_536);
    assert_eq!(invalid(nowhere().client_id(long.clone())).await, Invalid::FieldTooLong);
    assert_eq!(
        invalid(nowhere().user_name("u").password(long.clone())).await,
        Invalid::FieldTooLong
    );
    assert_eq!(
        invalid(nowhere().will(Will::new("w", long))).await,
        Invalid::FieldTooLong
    );
    assert_eq!(invalid(nowhere().version(Version::V5)).await, Invalid::Version);
}

#[tokio::test]
async fn mqtt_3_2_0_1_connack_is_first() {
    for packet in ["D0 00", "30 03 00 01 74", "90 03 00 01 00"] {
        match refused(packet).await {
            ConnectError::Violation(fault) => assert_eq!(fault.statement(), "MQTT-3.2.0-1"),
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn mqtt_3_2_0_1_connack_is_first_and_comes_in_time() {
    let server = Server::start().await;
    let options = server.options().connect_timeout(Duration::from_millis(200));
    let (client, mut peer, _) = server.answer(&options, "").await;
    assert!(matches!(client.expect_err("no answer"), ConnectError::Timeout(_)));
    peer.ended().await;
}

#[tokio::test]
async fn a_server_that_closes_at_once_is_no_puzzle() {
    let server = Server::start().await;
    let options = server.options();
    let (client, ()) = tokio::join!(Connection::connect(&options), async { server.accept().await.cut() });
    assert!(matches!(client.expect_err("closed"), ConnectError::Lost(_)));
}

#[tokio::test]
async fn mqtt_3_2_2_1_clean1_session_present_0() {
    match refused(RESUMED).await {
        ConnectError::Violation(fault) => assert_eq!(fault.statement(), "MQTT-3.2.2-1"),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn mqtt_3_2_2_4_error_connack_session_present_0() {
    assert!(matches!(refused("20 02 01 05").await, ConnectError::Violation(_)));
}

#[tokio::test]
async fn mqtt_3_2_2_5_error_connack_then_close() {
    for code in 1..=5_u8 {
        match refused(&format!("20 02 00 {code:02X}")).await {
            ConnectError::Refused(Refused(said)) => assert_eq!(said, code),
            other => panic!("{other}"),
        }
    }
    assert!(matches!(refused("20 02 00 06").await, ConnectError::Violation(_)));
}

#[tokio::test]
async fn mqtt_3_14_1_1_disconnect_flags() {
    let (client, _messages, peer) = pair().await;
    leave(client.disconnect(), peer).await;
}

#[tokio::test]
async fn mqtt_3_14_4_1_client_closes_after_disconnect() {
    let (client, _messages, mut peer) = pair().await;
    let leaving = tokio::spawn(async move { client.disconnect().await });
    peer.expect(&["E0 00"]).await;
    peer.ended().await;
    assert!(
        !leaving.is_finished(),
        "the end comes at once; only then the client waits for the server's"
    );
    peer.cut();
    soon("it ends", leaving).await.unwrap().unwrap();
}

#[tokio::test]
async fn mqtt_3_14_4_2_nothing_after_disconnect() {
    let (client, _messages, mut peer) = pair().await;
    drop(client.publish("t", *b"", QoS::AtLeastOnce, false).await.unwrap());
    peer.expect(&["32 05 00 01 74 00 01"]).await;
    let (done, ()) = tokio::join!(client.disconnect_within(Duration::from_millis(100)), async {
        peer.expect(&["E0 00"]).await;
        peer.send("32 05 00 01 74 00 07 40 02 00 01").await;
        peer.ended().await;
        peer.cut();
    });
    assert!(matches!(done, Err(Error::Unfinished(1))), "{done:?}");
    assert!(matches!(
        client.publish("t", *b"", QoS::AtMostOnce, false).await,
        Err(Error::Ended(End::Disconnected))
    ));
}

#[tokio::test]
async fn disconnect_waits_for_what_is_unacknowledged() {
    let (client, _messages, mut peer) = pair().await;
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::AtMostOnce] {
        drop(client.publish("t", *b"", qos, false).await.unwrap());
    }
    let (done, ()) = tokio::join!(client.disconnect(), async {
        peer.expect(&["32 05 00 01 74 00 01", "34 05 00 01 74 00 02", "30 03 00 01 74"])
            .await;
        peer.send("50 02 00 02").await;
        peer.expect(&["62 02 00 02"]).await;
        peer.send("40 02 00 01 70 02 00 02").await;
        peer.expect(&["E0 00"]).await;
        peer.ended().await;
        peer.cut();
    });
    done.unwrap();
}

#[tokio::test]
async fn dropped_handles_end_the_connection_without_disconnect() {
    let (client, messages, mut peer) = pair().await;
    let other = client.clone();
    drop(messages);
    drop(client);
    other
        .publish("t", *b"", QoS::AtMostOnce, false)
        .await
        .unwrap()
        .await
        .unwrap();
    peer.expect(&["30 03 00 01 74"]).await;
    drop(other);
    peer.ended().await;
}
