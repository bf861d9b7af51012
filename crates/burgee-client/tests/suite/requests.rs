//! Sections 3.8 to 3.11: SUBSCRIBE, UNSUBSCRIBE and their answers.

use super::support::{closes, pair, sends_nothing, soon};
use burgee_client::connection::{Connection, Grant};
use burgee_client::{End, Error, Invalid, QoS};

#[tokio::test]
async fn mqtt_3_8_1_1_subscribe_flags() {
    let (client, _messages, mut peer) = pair().await;
    let (granted, ()) = tokio::join!(client.subscribe(&[("a/+", QoS::AtMostOnce)]), async {
        peer.expect(&["82 08 00 01 00 03 61 2F 2B 00"]).await;
        peer.send("90 03 00 01 00").await;
    });
    granted.unwrap();
}

#[tokio::test]
async fn mqtt_3_8_3_3_subscribe_needs_a_filter() {
    sends_nothing(
        |client| async move { matches!(client.subscribe(&[]).await, Err(Error::Invalid(Invalid::NoFilter))) },
    )
    .await;
}

/// Three filters with QoS 0, 1 and 2, answered with `suback`.
async fn three(suback: &str) -> (Result<Vec<Grant>, Error>, Connection) {
    let (client, _messages, mut peer) = pair().await;
    let filters = [("a", QoS::AtMostOnce), ("b", QoS::AtLeastOnce), ("c", QoS::ExactlyOnce)];
    let (granted, ()) = tokio::join!(client.subscribe(&filters), async {
        peer.expect(&["82 0E 00 01 00 01 61 00 00 01 62 01 00 01 63 02"]).await;
        peer.send(suback).await;
    });
    (granted, client)
}

#[tokio::test]
async fn mqtt_3_8_3_4_requested_qos_byte_is_0_1_2() {
    let granted = three("90 05 00 01 00 01 02").await.0.unwrap();
    assert_eq!(
        granted,
        [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce].map(Grant::Granted)
    );
}

#[tokio::test]
async fn mqtt_3_8_4_2_suback_has_identifier_of_subscribe() {
    let (client, _messages, mut peer) = pair().await;
    let other = client.clone();
    let first = tokio::spawn(async move { other.subscribe(&[("a", QoS::ExactlyOnce)]).await });
    peer.expect(&["82 06 00 01 00 01 61 02"]).await;
    let second = tokio::spawn(async move { client.subscribe(&[("b", QoS::ExactlyOnce)]).await });
    peer.expect(&["82 06 00 02 00 01 62 02"]).await;
    peer.send("90 03 00 02 01").await;
    assert_eq!(
        soon("the second", second).await.unwrap().unwrap(),
        [Grant::Granted(QoS::AtLeastOnce)]
    );
    assert!(!first.is_finished());
    peer.send("90 03 00 01 80").await;
    assert_eq!(soon("the first", first).await.unwrap().unwrap(), [Grant::Refused]);
}

#[tokio::test]
async fn mqtt_3_8_4_5_one_return_code_for_each_filter() {
    for suback in ["90 04 00 01 00 01", "90 06 00 01 00 01 02 00"] {
        let (granted, client) = three(suback).await;
        assert!(granted.is_err(), "{suback}");
        match client.ended().await {
            End::Violation(fault) => assert_eq!(fault.statement(), "MQTT-3.8.4-5"),
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn mqtt_3_8_4_6_delivered_qos_is_minimum() {
    let granted = three("90 05 00 01 00 00 01").await.0.unwrap();
    assert_eq!(
        granted,
        [QoS::AtMostOnce, QoS::AtMostOnce, QoS::AtLeastOnce].map(Grant::Granted)
    );
}

#[tokio::test]
async fn mqtt_3_9_3_1_return_codes_in_order() {
    let granted = three("90 05 00 01 00 80 02").await.0.unwrap();
    assert_eq!(
        granted,
        [
            Grant::Granted(QoS::AtMostOnce),
            Grant::Refused,
            Grant::Granted(QoS::ExactlyOnce)
        ]
    );
}

#[tokio::test]
async fn mqtt_3_9_3_2_return_codes_are_0_1_2_80() {
    for code in ["03", "7F", "81"] {
        closes(&format!("90 03 00 01 {code}"), "MQTT-3.9.3-2").await;
    }
}

#[tokio::test]
async fn mqtt_3_10_1_1_unsubscribe_flags() {
    unsubscribe_two().await;
}

#[tokio::test]
async fn mqtt_3_10_3_1_unsubscribe_filter_is_utf8() {
    unsubscribe_two().await;
}

async fn unsubscribe_two() {
    let (client, _messages, mut peer) = pair().await;
    let (gone, ()) = tokio::join!(client.unsubscribe(&["a", "b/#"]), async {
        peer.expect(&["A2 0A 00 01 00 01 61 00 03 62 2F 23"]).await;
        peer.send("B0 02 00 01").await;
    });
    gone.unwrap();
}

#[tokio::test]
async fn mqtt_3_10_3_2_unsubscribe_needs_a_filter() {
    sends_nothing(
        |client| async move { matches!(client.unsubscribe(&[]).await, Err(Error::Invalid(Invalid::NoFilter))) },
    )
    .await;
}

#[tokio::test]
async fn mqtt_3_10_4_3_started_deliveries_are_completed() {
    let (client, mut messages, mut peer) = pair().await;
    let (gone, ()) = tokio::join!(client.unsubscribe(&["t"]), async {
        peer.packet().await;
        peer.send("B0 02 00 01 34 05 00 01 74 00 05").await;
    });
    gone.unwrap();
    peer.expect(&["50 02 00 05"]).await;
    peer.send("62 02 00 05").await;
    peer.expect(&["70 02 00 05"]).await;
    assert!(soon("it comes", messages.next()).await.is_some());
}

#[tokio::test]
async fn a_request_fails_when_its_connection_ends() {
    let (client, _messages, mut peer) = pair().await;
    let (asked, ()) = tokio::join!(soon("it fails", client.subscribe(&[("a", QoS::AtMostOnce)])), async {
        peer.packet().await;
        peer.cut();
    });
    assert!(matches!(asked, Err(Error::Ended(End::ClosedByServer))));
}
