//! Sections 1.5, 2, 4.7 and 4.8: strings, first bytes, identifiers, topics, violations.

use super::support::{CONNACK, Server, closes, leave, pair, sends_nothing, soon};
use burgee_client::{Client, ConnectError, Error, Invalid, InvalidTopic, Options, QoS, Will};

const ILL_FORMED: [&str; 6] = ["ED A0 80", "C0 AF", "E0 80 AF", "F4 90 80 80", "80", "FE"];

fn publish_to(topic: &str) -> String {
    let length = topic.split_whitespace().count();
    format!("30 {:02X} 00 {length:02X} {topic}", length + 2)
}

#[tokio::test]
async fn mqtt_1_5_3_1_ill_formed_utf8_closes() {
    for topic in ILL_FORMED {
        closes(&publish_to(topic), "MQTT-1.5.3-1").await;
    }
}

#[tokio::test]
async fn mqtt_1_5_3_2_nul_in_string_closes() {
    closes(&publish_to("61 00 62"), "MQTT-1.5.3-2").await;
}

#[tokio::test]
async fn mqtt_1_5_3_2_nul_in_string_closes_and_is_never_sent() {
    let nul = |options: Options| async move {
        matches!(
            burgee_client::connection::Connection::connect(&options).await,
            Err(ConnectError::Invalid(_))
        )
    };
    // Port 9 of nobody: an attempt to connect would be another error.
    let options = || Options::new("127.0.0.1", 9);
    assert!(nul(options().client_id("a\0")).await);
    assert!(nul(options().user_name("a\0")).await);
    assert!(nul(options().will(Will::new("a\0", ""))).await);
    sends_nothing(|client| async move { client.publish("a\0", *b"", QoS::AtMostOnce, false).await.is_err() }).await;
    sends_nothing(|client| async move { client.subscribe(&[("a\0", QoS::AtMostOnce)]).await.is_err() }).await;
    sends_nothing(|client| async move { client.unsubscribe(&["a\0"]).await.is_err() }).await;
}

#[tokio::test]
async fn mqtt_1_5_3_3_bom_is_kept() {
    let (_client, mut messages, mut peer) = pair().await;
    peer.send(&publish_to("EF BB BF 61")).await;
    let message = soon("it comes", messages.next()).await.unwrap();
    assert_eq!(message.topic.as_str(), "\u{FEFF}a");
}

#[tokio::test]
async fn mqtt_2_2_2_1_reserved_flags_as_in_the_table() {
    let server = Server::start().await;
    let (client, mut peer, connect) = server.answer(&server.options().keep_alive(1), CONNACK).await;
    let (client, _messages) = client.unwrap();
    assert!(connect.starts_with("10 "));
    let receipt = client.publish("t", *b"", QoS::ExactlyOnce, false).await.unwrap();
    peer.expect(&["34 05 00 01 74 00 01"]).await;
    peer.send("50 02 00 01").await;
    peer.expect(&["62 02 00 01"]).await;
    peer.send("70 02 00 01 32 05 00 01 74 00 07 34 05 00 01 74 00 08").await;
    soon("PUBCOMP", receipt).await.unwrap();
    peer.expect(&["40 02 00 07", "50 02 00 08"]).await;
    peer.send("62 02 00 08").await;
    peer.expect(&["70 02 00 08"]).await;
    let (asked, ()) = tokio::join!(client.subscribe(&[("f", QoS::AtMostOnce)]), async {
        peer.expect(&["82 06 00 02 00 01 66 00"]).await;
        peer.send("90 03 00 02 00").await;
    });
    asked.unwrap();
    let (gone, ()) = tokio::join!(client.unsubscribe(&["f"]), async {
        peer.expect(&["A2 05 00 03 00 01 66"]).await;
        peer.send("B0 02 00 03").await;
    });
    gone.unwrap();
    peer.expect(&["C0 00"]).await;
    peer.send("D0 00").await;
    leave(client.disconnect(), peer).await;
}

#[tokio::test]
async fn mqtt_2_2_2_2_invalid_flags_close() {
    for first in ["21", "91", "D1", "41", "51", "71", "B1"] {
        closes(first, "MQTT-2.2.2-2").await;
    }
    closes("60", "MQTT-3.6.1-1").await;
}

#[tokio::test]
async fn mqtt_2_3_1_1_packet_identifier_is_not_zero() {
    closes("32 05 00 01 74 00 00", "MQTT-2.3.1-1").await;
    for ack in ["40", "50", "62", "70"] {
        closes(&format!("{ack} 02 00 00"), "MQTT-2.3.1-1").await;
    }
}

#[tokio::test]
async fn mqtt_2_3_1_2_new_packet_takes_an_unused_identifier() {
    let (client, _messages, mut peer) = pair().await;
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        drop(client.publish("t", *b"", qos, false).await.unwrap());
    }
    let (one, two) = (client.clone(), client.clone());
    let asked = tokio::spawn(async move { one.subscribe(&[("f", QoS::AtMostOnce)]).await });
    peer.expect(&[
        "32 05 00 01 74 00 01",
        "34 05 00 01 74 00 02",
        "82 06 00 03 00 01 66 00",
    ])
    .await;
    let gone = tokio::spawn(async move { two.unsubscribe(&["f"]).await });
    peer.expect(&["A2 05 00 04 00 01 66"]).await;
    drop(client.publish("t", *b"", QoS::AtLeastOnce, false).await.unwrap());
    peer.expect(&["32 05 00 01 74 00 05"]).await;
    peer.send("90 03 00 03 00 B0 02 00 04").await;
    asked.await.unwrap().unwrap();
    gone.await.unwrap().unwrap();
}

#[tokio::test]
async fn mqtt_2_3_1_5_qos0_publish_has_no_identifier() {
    let (client, _messages, mut peer) = pair().await;
    client
        .publish("t", *b"xy", QoS::AtMostOnce, false)
        .await
        .unwrap()
        .await
        .unwrap();
    peer.expect(&["30 05 00 01 74 78 79"]).await;
}

#[tokio::test]
async fn mqtt_2_3_1_6_publish_acks_carry_the_identifier() {
    let (_client, _messages, mut peer) = pair().await;
    peer.send("32 05 00 01 74 12 34 34 05 00 01 74 AB CD 62 02 AB CD").await;
    peer.expect(&["40 02 12 34", "50 02 AB CD", "70 02 AB CD"]).await;
}

#[tokio::test]
async fn mqtt_2_3_1_7_suback_unsuback_carry_the_identifier() {
    let (client, _messages, mut peer) = pair().await;
    let (granted, ()) = tokio::join!(client.subscribe(&[("f", QoS::AtLeastOnce)]), async {
        peer.expect(&["82 06 00 01 00 01 66 01"]).await;
        // Nobody asked under 2; it must not complete what was asked under 1.
        peer.send("90 03 00 02 00 90 03 00 01 01").await;
    });
    assert_eq!(
        granted.unwrap(),
        [burgee_client::connection::Grant::Granted(QoS::AtLeastOnce)]
    );
}

#[tokio::test]
async fn mqtt_4_7_1_1_no_wildcards_in_topic_names() {
    closes(&publish_to("61 2F 2B"), "MQTT-3.3.2-2").await;
    closes(&publish_to("23"), "MQTT-3.3.2-2").await;
}

#[tokio::test]
async fn mqtt_4_7_1_2_hash_is_last_and_alone() {
    for filter in ["a/#/b", "a#", "#a", "##"] {
        sends_nothing(|client| async move {
            let refused = client.subscribe(&[(filter, QoS::AtMostOnce)]).await;
            matches!(
                refused,
                Err(Error::Invalid(Invalid::Topic(InvalidTopic::MultiLevelWildcard)))
            )
        })
        .await;
    }
}

#[tokio::test]
async fn mqtt_4_7_1_3_plus_fills_a_level() {
    for filter in ["a+", "+a", "a/b+/c", "++"] {
        sends_nothing(|client| async move {
            let refused = client.unsubscribe(&[filter]).await;
            matches!(
                refused,
                Err(Error::Invalid(Invalid::Topic(InvalidTopic::SingleLevelWildcard)))
            )
        })
        .await;
    }
}

#[tokio::test]
async fn mqtt_4_7_3_1_topics_are_not_empty() {
    closes(&publish_to(""), "MQTT-4.7.3-1").await;
    sends_nothing(|client| async move { client.publish("", *b"", QoS::AtMostOnce, false).await.is_err() }).await;
    sends_nothing(|client| async move { client.subscribe(&[("", QoS::AtMostOnce)]).await.is_err() }).await;
}

#[tokio::test]
async fn mqtt_4_7_3_2_topics_have_no_nul() {
    closes(&publish_to("00"), "MQTT-1.5.3-2").await;
}

#[tokio::test]
async fn mqtt_4_7_3_3_topics_up_to_65535_bytes() {
    let (client, _messages, mut peer) = pair().await;
    let longest = "x".repeat(65_535);
    drop(client.publish(&longest, *b"", QoS::AtMostOnce, false).await.unwrap());
    assert_eq!(peer.packet_bytes().await.len(), 4 + 2 + 65_535);
    sends_nothing(|client| async move {
        let longer = "x".repeat(65_536);
        client.publish(&longer, *b"", QoS::AtMostOnce, false).await.is_err()
            && client.subscribe(&[(&longer, QoS::AtMostOnce)]).await.is_err()
    })
    .await;
}

#[tokio::test]
async fn mqtt_4_8_0_1_protocol_violation_closes() {
    for packet in [
        "82 06 00 01 00 01 74 00",
        "A2 05 00 01 00 01 74",
        "C0 00",
        "E0 00",
        "20 02 00 00",
    ] {
        closes(packet, "MQTT-4.8.0-1").await;
    }
    let connect = "10 0D 00 04 4D 51 54 54 04 02 00 00 00 01 61";
    closes(connect, "MQTT-4.8.0-1").await;
}

#[tokio::test]
async fn a_packet_above_the_limit_closes_before_it_has_come() {
    let server = Server::start().await;
    let (client, _messages, mut peer) = server.welcome(&server.options().max_packet_size(100)).await;
    peer.send("30 65").await;
    peer.ended().await;
    assert!(client.ended().await.to_string().contains("maximum packet size"));
}

#[tokio::test]
async fn mqtt_7_0_0_2_no_extension_is_required() {
    // A server that knows the standard's packets and nothing else, and a client as it is without any setting of ours.
    let server = Server::start().await;
    let options = Options::new("127.0.0.1", server.port()).client_id("c");
    let script = async {
        let mut peer = server.accept().await;
        peer.expect(&["10 0D 00 04 4D 51 54 54 04 02 00 3C 00 01 63"]).await;
        peer.send(CONNACK).await;
        peer.expect(&["82 06 00 01 00 01 74 02"]).await;
        peer.send("90 03 00 01 02").await;
        peer.expect(&[
            "30 04 00 01 74 30",
            "32 06 00 01 74 00 02 31",
            "34 06 00 01 74 00 03 32",
        ])
        .await;
        peer.send("30 04 00 01 74 30 40 02 00 02 50 02 00 03").await;
        peer.expect(&["62 02 00 03"]).await;
        peer.send("70 02 00 03").await;
        peer
    };
    let conversation = async {
        let client = Client::connect(options).await.unwrap();
        let mut stream = client.subscribe("t", QoS::ExactlyOnce).await.unwrap();
        let send = |payload: &'static str, qos| client.publish("t", payload).qos(qos).into_future();
        let (zero, one, two) = tokio::join!(
            send("0", QoS::AtMostOnce),
            send("1", QoS::AtLeastOnce),
            send("2", QoS::ExactlyOnce)
        );
        zero.and(one).and(two).unwrap();
        assert_eq!(stream.next().await.unwrap().text(), Some("0"));
        // The stream goes with the client, not before it.
        (client, stream)
    };
    let ((client, _stream), peer) =
        soon("a conversation", Box::pin(async { tokio::join!(conversation, script) })).await;
    leave(client.disconnect(), peer).await;
}

#[tokio::test]
async fn mqtt_7_1_2_1_client_transport_is_an_ordered_stream() {
    let (_client, mut messages, mut peer) = pair().await;
    for byte in "32 05 00 01 74 00 07".split(' ') {
        peer.send(byte).await;
    }
    peer.expect(&["40 02 00 07"]).await;
    peer.send("30 03 00 01 61 30 03 00 01 62 D0 00 30 03 00 01 63").await;
    for topic in ["t", "a", "b", "c"] {
        assert_eq!(soon("it comes", messages.next()).await.unwrap().topic.as_str(), topic);
    }
}

/// Strings are `str` in the API, so ill-formed ones cannot be said; well-formed ones go out as they are.
async fn connect_with(options: impl FnOnce(Options) -> Options, expected: &str) {
    let server = Server::start().await;
    let (_, _peer, connect) = server.answer(&options(server.options()), CONNACK).await;
    assert!(connect.ends_with(expected), "{connect}");
}

#[tokio::test]
async fn mqtt_3_1_3_4_client_id_is_utf8() {
    connect_with(|options| options.client_id("ö\u{1F980}"), " 00 06 C3 B6 F0 9F A6 80").await;
}

#[tokio::test]
async fn mqtt_3_1_3_11_user_name_is_utf8() {
    connect_with(|options| options.user_name("ö"), " 00 02 C3 B6").await;
}

#[tokio::test]
async fn mqtt_3_1_2_14_will_qos_three_closes() {
    // The type has no third level, and none can be made.
    assert_eq!(QoS::from_bits(3), None);
    connect_with(
        |options| options.will(Will::new("w", "").qos(QoS::ExactlyOnce)),
        " 04 16 00 00 00 01 63 00 01 77 00 00",
    )
    .await;
}

#[tokio::test]
async fn mqtt_3_8_3_1_subscribe_filter_is_utf8() {
    let (client, _messages, mut peer) = pair().await;
    let (granted, ()) = tokio::join!(client.subscribe(&[("ö", QoS::AtMostOnce)]), async {
        peer.expect(&["82 07 00 01 00 02 C3 B6 00"]).await;
        peer.send("90 03 00 01 00").await;
    });
    granted.unwrap();
}

#[tokio::test]
async fn mqtt_3_3_2_1_topic_is_first_and_utf8() {
    // A topic that is longer than the packet, half a length, and one that is not UTF-8.
    for publish in ["30 04 00 03 61 62", "30 01 00", "30 04 00 02 C3 28"] {
        let (client, mut messages, mut peer) = pair().await;
        peer.send(publish).await;
        peer.ended().await;
        assert_eq!(soon("messages end", messages.next()).await, None, "{publish}");
        assert!(
            matches!(client.ended().await, burgee_client::End::Violation(_)),
            "{publish}"
        );
    }
}
