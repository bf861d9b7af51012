//! The client that looks after its connection: publishing, streams, acknowledgements, the end. On one connection.

use std::pin::pin;

use super::support::{Server, bytes, is_ready, leave, soon};
use burgee_client::{Client, End, Error, Event, Options, QoS, State, Subscription};
use tokio::task::yield_now;

pub(crate) async fn subscribe(
    client: &Client,
    peer: &mut super::support::Peer,
    filter: &str,
    qos: QoS,
) -> Subscription {
    let (subscription, ()) = tokio::join!(client.subscribe(filter, qos), async {
        let packet = peer.packet_bytes().await;
        assert_eq!((packet[0], &packet[6..packet.len() - 1]), (0x82, filter.as_bytes()));
        peer.send_bytes(&[0x90, 3, packet[2], packet[3], qos.bits()]).await;
    });
    subscription.expect("granted")
}

#[tokio::test]
async fn a_publish_is_done_when_the_protocol_says_so() {
    let server = Server::start().await;
    let (client, mut peer) = server.client(server.quick()).await;
    soon("written", client.publish("t", "0")).await.unwrap();
    peer.expect(&["30 04 00 01 74 30"]).await;
    let mut once = pin!(client.publish("t", "1").qos(QoS::AtLeastOnce).retain().into_future());
    assert!(!is_ready(&mut once).await);
    peer.expect(&["33 06 00 01 74 00 01 31"]).await;
    assert!(!is_ready(&mut once).await);
    peer.send("40 02 00 01").await;
    soon("PUBACK", once).await.unwrap();
    let mut twice = pin!(client.publish("t", "2").qos(QoS::ExactlyOnce).into_future());
    assert!(!is_ready(&mut twice).await);
    peer.expect(&["34 06 00 01 74 00 02 32"]).await;
    peer.send("50 02 00 02").await;
    peer.expect(&["62 02 00 02"]).await;
    assert!(!is_ready(&mut twice).await, "PUBREC is not the end");
    peer.send("70 02 00 02").await;
    soon("PUBCOMP", twice).await.unwrap();
}

#[tokio::test]
async fn receipts_are_awaited_in_any_order() {
    let server = Server::start().await;
    let (client, mut peer) = server.client(server.quick()).await;
    let first = client.publish("t", "1").qos(QoS::AtLeastOnce).send().await.unwrap();
    let second = client.publish("t", "2").qos(QoS::AtLeastOnce).send().await.unwrap();
    peer.expect(&["32 06 00 01 74 00 01 31", "32 06 00 01 74 00 02 32"])
        .await;
    peer.send("40 02 00 02").await;
    soon("PUBACK", second).await.unwrap();
    peer.send("40 02 00 01").await;
    soon("PUBACK", first).await.unwrap();
}

#[tokio::test]
async fn what_is_invalid_is_refused_at_once() {
    let server = Server::start().await;
    let (client, peer) = server.client(server.quick()).await;
    for topic in ["", "a/+", "a\0"] {
        assert!(
            matches!(client.publish(topic, "").await, Err(Error::Invalid(_))),
            "{topic:?}"
        );
    }
    for filter in ["", "a/#/b", "a\0"] {
        let refused = client.subscribe(filter, QoS::AtMostOnce).await;
        assert!(matches!(refused.map(drop), Err(Error::Invalid(_))), "{filter:?}");
    }
    let refused = Client::prepare(Options::new("h", 1).password("without a name"));
    assert!(refused.is_err());
    leave(client.disconnect(), peer).await;
}

#[tokio::test]
async fn each_stream_gets_what_its_filter_matches() {
    let server = Server::start().await;
    let (client, mut peer) = server.client(server.quick()).await;
    let mut rooms = subscribe(&client, &mut peer, "rooms/+", QoS::AtMostOnce).await;
    let mut all = subscribe(&client, &mut peer, "#", QoS::ExactlyOnce).await;
    assert_eq!(
        (rooms.granted(), all.granted(), all.filter()),
        (QoS::AtMostOnce, QoS::ExactlyOnce, "#")
    );
    peer.send("30 08 00 05 61 2F 62 2F 63 78").await;
    peer.send("30 0A 00 07 72 6F 6F 6D 73 2F 37 79").await;
    assert_eq!(soon("a message", rooms.next()).await.unwrap().text(), Some("y"));
    assert_eq!(soon("a message", all.next()).await.unwrap().topic.as_str(), "a/b/c");
    assert_eq!(soon("a message", all.next()).await.unwrap().topic.as_str(), "rooms/7");
    assert!(rooms.try_next().is_none() && all.try_next().is_none());
}

#[tokio::test]
async fn the_last_stream_on_a_filter_takes_the_subscription_with_it() {
    let server = Server::start().await;
    let (client, mut peer) = server.client(server.quick()).await;
    let one = subscribe(&client, &mut peer, "a", QoS::AtMostOnce).await;
    let other = subscribe(&client, &mut peer, "a", QoS::AtMostOnce).await;
    drop(one);
    soon("written", client.publish("t", "")).await.unwrap();
    // Had the first stream given it up, UNSUBSCRIBE would come first.
    peer.expect(&["30 03 00 01 74"]).await;
    drop(other);
    peer.expect(&["A2 05 00 03 00 01 61"]).await;
    peer.send("B0 02 00 03").await;
    let again = subscribe(&client, &mut peer, "a", QoS::AtLeastOnce).await;
    let (left, ()) = tokio::join!(soon("UNSUBACK", again.unsubscribe()), async {
        peer.expect(&["A2 05 00 05 00 01 61"]).await;
        peer.send("B0 02 00 05").await;
    });
    left.unwrap();
}

#[tokio::test]
async fn a_subscription_that_is_not_granted_is_an_error() {
    let server = Server::start().await;
    let (client, mut peer) = server.client(server.quick()).await;
    let (refused, ()) = tokio::join!(client.subscribe("secret", QoS::AtMostOnce), async {
        peer.packet().await;
        peer.send("90 03 00 01 80").await;
    });
    match refused.map(drop) {
        Err(Error::NotGranted(filter)) => assert_eq!(filter, "secret"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_subscribe_that_is_dropped_is_given_up_again() {
    let server = Server::start().await;
    let (client, mut peer) = server.client(server.quick()).await;
    let mut asked = Box::pin(client.subscribe("a", QoS::AtMostOnce).into_future());
    assert!(!is_ready(&mut asked).await);
    peer.expect(&["82 06 00 01 00 01 61 00"]).await;
    drop(asked);
    peer.expect(&["A2 05 00 02 00 01 61"]).await;
}

#[tokio::test]
async fn a_message_is_acknowledged_when_the_next_one_is_asked_for() {
    let server = Server::start().await;
    let (client, mut peer) = server.client(server.quick()).await;
    let mut stream = subscribe(&client, &mut peer, "t", QoS::ExactlyOnce).await;
    peer.send("32 05 00 01 74 00 07 34 05 00 01 74 00 08").await;
    assert_eq!(soon("the first", stream.next()).await.unwrap().packet_id, Some(7));
    // Nothing is acknowledged that the application works on: a publish of ours comes first.
    soon("written", client.publish("t", "")).await.unwrap();
    peer.expect(&["30 03 00 01 74"]).await;
    assert_eq!(soon("the second", stream.next()).await.unwrap().packet_id, Some(8));
    peer.expect(&["40 02 00 07"]).await;
    assert!(stream.try_next().is_none());
    peer.expect(&["50 02 00 08"]).await;
    peer.send("62 02 00 08").await;
    peer.expect(&["70 02 00 08"]).await;
}

#[tokio::test]
async fn manual_acknowledgements_leave_in_the_order_of_arrival() {
    let server = Server::start().await;
    let (client, mut peer) = server.client(server.quick().manual_ack(true)).await;
    let mut stream = subscribe(&client, &mut peer, "t", QoS::ExactlyOnce).await;
    let mut copy = subscribe(&client, &mut peer, "#", QoS::ExactlyOnce).await;
    peer.send("32 05 00 01 74 00 07 34 05 00 01 74 00 08 32 05 00 01 74 00 09")
        .await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push((
            soon("a message", stream.next()).await.unwrap(),
            soon("its copy", copy.next()).await.unwrap(),
        ));
    }
    held[2].0.ack();
    held[2].1.ack();
    held[1].1.ack();
    held[1].0.ack();
    held[0].0.ack();
    // The first one has a copy that is not acknowledged: all wait.
    soon("written", client.publish("t", "")).await.unwrap();
    peer.expect(&["30 03 00 01 74"]).await;
    held[0].1.ack();
    held[0].1.ack();
    peer.expect(&["40 02 00 07", "50 02 00 08", "40 02 00 09"]).await;
}

#[tokio::test]
async fn what_waits_in_a_dropped_stream_is_acknowledged() {
    let server = Server::start().await;
    let (client, mut peer) = server.client(server.quick().manual_ack(true)).await;
    let stream = subscribe(&client, &mut peer, "t", QoS::AtLeastOnce).await;
    peer.send("32 05 00 01 74 00 07").await;
    drop(stream);
    let mut came = vec![peer.packet().await, peer.packet().await];
    came.sort();
    assert_eq!(came, ["40 02 00 07", "A2 05 00 02 00 01 74"]);
    // And so is what nobody asked for.
    let mut events = client.events();
    peer.send("32 05 00 01 78 00 08").await;
    peer.expect(&["40 02 00 08"]).await;
    match soon("an event", events.next()).await {
        Some(Event::Unwanted(topic)) => assert_eq!(topic, "x"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn next_may_be_dropped_without_losing_a_message() {
    let server = Server::start().await;
    let (client, mut peer) = server.client(server.quick()).await;
    let mut stream = subscribe(&client, &mut peer, "t", QoS::AtMostOnce).await;
    for payload in b'a'..=b'j' {
        assert!(!is_ready(&mut Box::pin(stream.next())).await);
        peer.send_bytes(&[0x30, 4, 0, 1, b't', payload]).await;
        let message = loop {
            // Dropped again and again while the message is on its way.
            if let Some(message) =
                tokio::select! { biased; message = stream.next() => message, () = yield_now() => None }
            {
                break message;
            }
        };
        assert_eq!(&*message.payload, &[payload]);
    }
}

#[tokio::test]
async fn a_send_that_is_dropped_before_it_is_taken_publishes_nothing() {
    let server = Server::start().await;
    let (client, mut peer) = server.client(server.quick().window(1)).await;
    // The window is full, and so is everything behind it.
    let mut waiting = Vec::new();
    for _ in 0..1000 {
        let mut send = Box::pin(client.publish("t", "x").qos(QoS::AtLeastOnce).send());
        if !tokio::select! { biased; receipt = &mut send => { waiting.push(receipt.unwrap()); true } () = yield_now() => false }
        {
            break;
        }
    }
    let taken = u16::try_from(waiting.len()).unwrap();
    assert!(taken < 1000, "sending never had to wait");
    let end = tokio::spawn(async move { client.disconnect().await });
    for id in 1..=taken {
        let [high, low] = id.to_be_bytes();
        assert_eq!(peer.packet_bytes().await, [0x32, 6, 0, 1, b't', high, low, b'x']);
        peer.send_bytes(&[0x40, 2, high, low]).await;
    }
    leave(async { end.await.unwrap() }, peer).await;
}

#[tokio::test]
async fn disconnect_drains_and_ends_the_streams() {
    let server = Server::start().await;
    let (client, mut peer) = server.client(server.quick()).await;
    let mut stream = subscribe(&client, &mut peer, "a", QoS::AtMostOnce).await;
    let state = client.state();
    let receipt = client.publish("t", "").qos(QoS::AtLeastOnce).send().await.unwrap();
    let (done, ()) = tokio::join!(soon("the end", client.disconnect()), async {
        peer.expect(&["32 05 00 01 74 00 02"]).await;
        peer.send("40 02 00 02").await;
        peer.expect(&["E0 00"]).await;
        peer.ended().await;
        peer.cut();
    });
    done.unwrap();
    receipt.await.unwrap();
    assert!(soon("the stream ends", stream.next()).await.is_none());
    assert!(matches!(&*state.borrow(), State::Closed(End::Disconnected)));
    assert!(matches!(
        client.publish("t", "").await,
        Err(Error::Ended(End::Disconnected))
    ));
    assert!(client.subscribe("t", QoS::AtMostOnce).await.is_err());
}

#[tokio::test]
async fn disconnect_says_what_was_left() {
    let server = Server::start().await;
    let (client, mut peer) = server.client(server.quick()).await;
    let receipt = client.publish("t", "").qos(QoS::AtLeastOnce).send().await.unwrap();
    peer.packet().await;
    let limit = std::time::Duration::from_millis(10);
    let (left, ()) = tokio::join!(soon("the end", client.disconnect_within(limit)), async {
        peer.expect(&["E0 00"]).await;
        peer.cut();
    });
    assert!(matches!(left, Err(Error::Unfinished(1))), "{left:?}");
    assert!(matches!(receipt.await, Err(Error::Ended(End::Disconnected))));
}

#[tokio::test]
async fn without_handles_and_streams_the_connection_is_cut() {
    let server = Server::start().await;
    let (client, mut peer) = server.client(server.quick()).await;
    let stream = subscribe(&client, &mut peer, "a", QoS::AtMostOnce).await;
    drop(client);
    peer.send_bytes(&bytes("30 03 00 01 61")).await;
    drop(stream);
    let mut rest = Vec::new();
    while let Some(packet) = peer.packet_or_end().await {
        rest.push(packet);
    }
    assert!(!rest.contains(&"E0 00".to_owned()), "{rest:?}");
}

#[test]
fn handles_and_streams_go_to_any_task() {
    fn any<T: Send + Sync + 'static>() {}
    any::<Client>();
    any::<Subscription>();
    any::<burgee_client::Receipt>();
    any::<burgee_client::Received>();
    any::<burgee_client::Prepared>();
}
