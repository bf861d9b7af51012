//! Sections 3.3 to 3.7 and 4.3, 4.5, 4.6: messages in both directions and their acknowledgements.

use super::support::{Server, closes, leave, pair, sends_nothing, soon};
use burgee_client::{End, Error, QoS};

#[tokio::test]
async fn mqtt_3_3_1_2_qos0_has_dup_0() {
    let (client, _messages, mut peer) = pair().await;
    client
        .publish("t", *b"", QoS::AtMostOnce, false)
        .await
        .unwrap()
        .await
        .unwrap();
    client
        .publish("t", *b"", QoS::AtMostOnce, true)
        .await
        .unwrap()
        .await
        .unwrap();
    peer.expect(&["30 03 00 01 74", "31 03 00 01 74"]).await;
    closes("38", "MQTT-3.3.1-2").await;
}

#[tokio::test]
async fn mqtt_3_3_1_4_qos3_closes() {
    closes("36", "MQTT-3.3.1-4").await;
    closes("36 05 00 01 74 00 01", "MQTT-3.3.1-4").await;
}

#[tokio::test]
async fn mqtt_3_3_1_8_retain_1_for_new_subscription() {
    let (_client, mut messages, mut peer) = pair().await;
    peer.send("31 03 00 01 74 30 03 00 01 74").await;
    assert!(soon("it comes", messages.next()).await.unwrap().retain);
    assert!(!soon("it comes", messages.next()).await.unwrap().retain);
}

#[tokio::test]
async fn mqtt_3_3_2_2_publish_topic_has_no_wildcards() {
    for topic in ["a/+", "#", "a#", "+"] {
        sends_nothing(|client| async move { client.publish(topic, *b"", QoS::AtLeastOnce, false).await.is_err() })
            .await;
    }
    closes("30 03 00 01 2B", "MQTT-3.3.2-2").await;
}

#[tokio::test]
async fn mqtt_3_3_4_1_publish_answer_by_qos() {
    let (_client, mut messages, mut peer) = pair().await;
    peer.send("30 04 00 01 74 30 32 06 00 01 74 00 05 31 34 06 00 01 74 00 06 32")
        .await;
    peer.expect(&["40 02 00 05", "50 02 00 06"]).await;
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let message = soon("it comes", messages.next()).await.unwrap();
        assert_eq!((message.qos, &*message.payload), (qos, &[b'0' + qos.bits()][..]));
    }
}

#[tokio::test]
async fn mqtt_3_3_5_1_overlapping_subscriptions_use_greatest_qos() {
    let (_client, mut messages, mut peer) = pair().await;
    peer.send("30 04 00 01 74 78 30 04 00 01 74 78 32 06 00 01 74 00 01 78")
        .await;
    for _ in 0..3 {
        assert_eq!(&*soon("every copy comes", messages.next()).await.unwrap().payload, b"x");
    }
}

#[tokio::test]
async fn mqtt_3_6_1_1_pubrel_flags() {
    let (_client, _messages, mut peer) = pair().await;
    // Also for an identifier that nobody knows: the server waits for the answer.
    peer.send("50 02 00 09").await;
    peer.expect(&["62 02 00 09"]).await;
    closes("60 02 00 09", "MQTT-3.6.1-1").await;
}

#[tokio::test]
async fn mqtt_4_3_1_1_qos0_sender() {
    let (client, _messages, mut peer) = pair().await;
    client
        .publish("t", *b"once", QoS::AtMostOnce, false)
        .await
        .unwrap()
        .await
        .unwrap();
    peer.expect(&["30 07 00 01 74 6F 6E 63 65"]).await;
    leave(client.disconnect(), peer).await;
}

#[tokio::test]
async fn mqtt_4_3_2_1_qos1_sender() {
    let (client, _messages, mut peer) = pair().await;
    let first = client.publish("t", *b"", QoS::AtLeastOnce, false).await.unwrap();
    let mut second = client.publish("t", *b"", QoS::AtLeastOnce, false).await.unwrap();
    peer.expect(&["32 05 00 01 74 00 01", "32 05 00 01 74 00 02"]).await;
    // An identifier that nobody holds completes nothing.
    peer.send("40 02 00 07 40 02 00 01").await;
    soon("PUBACK", first).await.unwrap();
    let unfinished = tokio::select! { biased; _ = &mut second => false, () = tokio::task::yield_now() => true };
    assert!(unfinished);
    peer.send("40 02 00 02").await;
    soon("PUBACK", second).await.unwrap();
}

#[tokio::test]
async fn mqtt_4_3_2_2_qos1_receiver() {
    let (_client, mut messages, mut peer) = pair().await;
    for _ in 0..2 {
        peer.send("32 05 00 01 74 00 05").await;
        peer.expect(&["40 02 00 05"]).await;
        assert!(soon("it comes", messages.next()).await.is_some());
    }
}

#[tokio::test]
async fn mqtt_4_3_3_1_qos2_sender() {
    let (client, _messages, mut peer) = pair().await;
    let mut receipt = client.publish("t", *b"", QoS::ExactlyOnce, false).await.unwrap();
    peer.expect(&["34 05 00 01 74 00 01"]).await;
    peer.send("50 02 00 01 50 02 00 01").await;
    peer.expect(&["62 02 00 01", "62 02 00 01"]).await;
    let unfinished = tokio::select! { biased; _ = &mut receipt => false, () = tokio::task::yield_now() => true };
    assert!(unfinished, "PUBREC is not the end");
    peer.send("70 02 00 01").await;
    soon("PUBCOMP", receipt).await.unwrap();
}

#[tokio::test]
async fn mqtt_4_3_3_2_qos2_receiver() {
    let (_client, mut messages, mut peer) = pair().await;
    peer.send("34 06 00 01 74 00 05 61 3C 06 00 01 74 00 05 61 34 06 00 01 74 00 05 62")
        .await;
    peer.expect(&["50 02 00 05", "50 02 00 05", "50 02 00 05"]).await;
    peer.send("62 02 00 05 62 02 00 05").await;
    peer.expect(&["70 02 00 05", "70 02 00 05"]).await;
    peer.send("34 06 00 01 74 00 05 63").await;
    peer.expect(&["50 02 00 05"]).await;
    for payload in [b"a", b"c"] {
        assert_eq!(&*soon("it comes", messages.next()).await.unwrap().payload, payload);
    }
}

#[tokio::test]
async fn mqtt_4_5_0_2_client_acknowledges_everything() {
    let (client, messages, mut peer) = pair().await;
    drop(messages);
    peer.send("32 05 00 01 74 00 05 34 05 00 01 74 00 06").await;
    peer.expect(&["40 02 00 05", "50 02 00 06"]).await;
    peer.send("62 02 00 06").await;
    peer.expect(&["70 02 00 06"]).await;
    drop(client);
}

/// Twenty messages in one segment, answered in their order.
async fn answers_in_order(first: u8, answer: &str) {
    let (_client, _messages, mut peer) = pair().await;
    let order: Vec<u8> = (1..=20).map(|number: u8| number.wrapping_mul(37)).collect();
    let publishes: Vec<u8> = order.iter().flat_map(|id| [first, 5, 0, 1, b't', 0, *id]).collect();
    peer.send_bytes(&publishes).await;
    for id in &order {
        assert_eq!(peer.packet().await, format!("{answer} 02 00 {id:02X}"));
    }
}

#[tokio::test]
async fn mqtt_4_6_0_2_pubacks_in_order() {
    answers_in_order(0x32, "40").await;
}

#[tokio::test]
async fn mqtt_4_6_0_3_pubrecs_in_order() {
    answers_in_order(0x34, "50").await;
}

#[tokio::test]
async fn mqtt_4_6_0_4_pubrels_in_order() {
    let (client, _messages, mut peer) = pair().await;
    for _ in 0..3 {
        drop(client.publish("t", *b"", QoS::ExactlyOnce, false).await.unwrap());
        peer.packet().await;
    }
    peer.send("50 02 00 03 50 02 00 01 50 02 00 02").await;
    peer.expect(&["62 02 00 03", "62 02 00 01", "62 02 00 02"]).await;
}

#[tokio::test]
async fn publish_waits_while_the_window_is_full() {
    let server = Server::start().await;
    let (client, _messages, mut peer) = server.welcome(&server.options().window(2)).await;
    let publisher = tokio::spawn(async move {
        for number in 0..200_u8 {
            drop(client.publish("t", [number], QoS::AtLeastOnce, false).await?);
        }
        client.disconnect().await
    });
    for number in 0..200_u8 {
        let id = u16::from(number) + 1;
        let packet = peer.packet_bytes().await;
        assert_eq!(
            packet,
            [0x32, 6, 0, 1, b't', id.to_be_bytes()[0], id.to_be_bytes()[1], number]
        );
        if number % 2 == 1 {
            assert!(!publisher.is_finished());
            for id in [id - 1, id] {
                peer.send_bytes(&[0x40, 2, id.to_be_bytes()[0], id.to_be_bytes()[1]])
                    .await;
            }
        }
    }
    leave(async { publisher.await.unwrap() }, peer).await;
}

#[tokio::test]
async fn a_reader_that_waits_keeps_the_server_waiting() {
    let server = Server::start().await;
    let (_client, mut messages, mut peer) = server.welcome(&server.options().backlog(1)).await;
    peer.send("32 05 00 01 74 00 01 32 05 00 01 74 00 02 32 05 00 01 74 00 03")
        .await;
    // Nothing is acknowledged that the application has not asked for.
    peer.expect(&["40 02 00 01"]).await;
    assert!(soon("the first", messages.next()).await.is_some());
    assert!(messages.try_next().is_none(), "the second one is still the server's");
    peer.expect(&["40 02 00 02"]).await;
    assert!(soon("the second", messages.next()).await.is_some());
    // To ask for the next one is to be done with the last one.
    assert!(soon("the third", messages.next()).await.is_some());
    peer.expect(&["40 02 00 03"]).await;
}

#[tokio::test]
async fn long_payloads_arrive_whole_in_both_directions() {
    let (client, mut messages, mut peer) = pair().await;
    let payload: Vec<u8> = (0..3_000_000_u32)
        .map(|number| number.to_le_bytes()[0] ^ number.to_le_bytes()[1])
        .collect();
    let receipt = client
        .publish("t", payload.clone(), QoS::AtLeastOnce, false)
        .await
        .unwrap();
    let packet = peer.packet_bytes().await;
    assert!(packet.ends_with(&payload));
    peer.send("40 02 00 01").await;
    soon("PUBACK", receipt).await.unwrap();
    let (message, ()) = tokio::join!(soon("it comes", messages.next()), peer.send_bytes(&packet));
    assert!(*message.unwrap().payload == *payload);
}

#[tokio::test]
async fn a_receipt_fails_when_its_connection_ends() {
    let (client, mut messages, mut peer) = pair().await;
    let receipt = client.publish("t", *b"", QoS::AtLeastOnce, false).await.unwrap();
    peer.packet().await;
    peer.cut();
    assert!(matches!(
        soon("it fails", receipt).await,
        Err(Error::Ended(End::ClosedByServer))
    ));
    assert_eq!(messages.next().await, None);
    assert!(client.publish("t", *b"", QoS::AtMostOnce, false).await.is_err());
    assert!(client.disconnect().await.is_err(), "something stayed undone");
}
