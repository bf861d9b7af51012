//! Futures that are dropped before they are done: each method says what then, and here it is seen.
//! Those of `next`, `send` and `subscribe` stand beside what else is told of them.

use super::client::subscribe;
use super::support::{Server, is_ready, leave, pair, soon};
use burgee_client::connection::Connection;
use burgee_client::{Client, Error, Event, QoS};

#[tokio::test]
async fn a_connect_that_is_dropped_leaves_nothing_behind() {
    let server = Server::start().await;
    let options = server.options();
    let mut prepared = Client::prepare(options.clone()).unwrap();
    let mut stream = prepared.subscribe("t", QoS::AtMostOnce).unwrap();
    let mut first = Box::pin(prepared.connect());
    let mut second = Box::pin(Connection::connect(&options));
    for which in 0..2 {
        // It has said CONNECT when it is dropped.
        let script = async {
            let mut peer = server.accept().await;
            assert!(peer.packet().await.starts_with("10 "));
            peer
        };
        let mut peer = if which == 0 {
            tokio::select! { peer = script => peer, _ = &mut first => panic!("no CONNACK came") }
        } else {
            tokio::select! { peer = script => peer, _ = &mut second => panic!("no CONNACK came") }
        };
        if which == 0 {
            first = Box::pin(Client::prepare(options.clone()).unwrap().connect());
        } else {
            second = Box::pin(Connection::connect(&options));
        }
        peer.ended().await;
    }
    assert!(soon("its streams end", stream.next()).await.is_none());
}

#[tokio::test]
async fn a_receipt_may_be_polled_dropped_and_polled_again() {
    let server = Server::start().await;
    let (client, mut peer) = server.client(server.quick()).await;
    let mut kept = client.publish("t", "1").qos(QoS::AtLeastOnce).send().await.unwrap();
    let dropped = client.publish("t", "2").qos(QoS::ExactlyOnce).send().await.unwrap();
    assert!(!is_ready(&mut kept).await);
    // The message goes all the way without anybody who waits for it.
    drop(dropped);
    peer.expect(&["32 06 00 01 74 00 01 31", "34 06 00 01 74 00 02 32"])
        .await;
    peer.send("50 02 00 02").await;
    peer.expect(&["62 02 00 02"]).await;
    assert!(!is_ready(&mut kept).await);
    peer.send("70 02 00 02 40 02 00 01").await;
    soon("PUBACK", kept).await.unwrap();
    leave(client.disconnect(), peer).await;
}

#[tokio::test]
async fn an_awaited_publish_that_is_dropped_goes_out_once_it_is_taken() {
    let server = Server::start().await;
    let (client, mut peer) = server.client(server.quick()).await;
    let mut publish = client.publish("t", "1").qos(QoS::AtLeastOnce).into_future();
    assert!(!is_ready(&mut publish).await);
    drop(publish);
    peer.expect(&["32 06 00 01 74 00 01 31"]).await;
    peer.send("40 02 00 01").await;
    leave(client.disconnect(), peer).await;
}

#[tokio::test]
async fn an_unsubscribe_that_is_dropped_gives_the_subscription_up() {
    let server = Server::start().await;
    let (client, mut peer) = server.client(server.quick()).await;
    for (polled, unsubscribe) in [(false, "A2 05 00 02 00 01 74"), (true, "A2 05 00 04 00 01 74")] {
        let stream = subscribe(&client, &mut peer, "t", QoS::AtMostOnce).await;
        let mut asked = Box::pin(stream.unsubscribe());
        assert!(!polled || !is_ready(&mut asked).await);
        drop(asked);
        peer.expect(&[unsubscribe]).await;
        let id = unsubscribe.get(6..11).unwrap();
        peer.send(&format!("B0 02 {id}")).await;
    }
    leave(client.disconnect(), peer).await;
}

#[tokio::test]
async fn a_disconnect_that_is_dropped_ends_the_client_all_the_same() {
    let server = Server::start().await;
    let (client, mut peer) = server.client(server.quick()).await;
    let receipt = client.publish("t", "1").qos(QoS::AtLeastOnce).send().await.unwrap();
    let mut leaving = Box::pin(client.disconnect());
    assert!(!is_ready(&mut leaving).await);
    drop(leaving);
    peer.expect(&["32 06 00 01 74 00 01 31"]).await;
    peer.send("40 02 00 01").await;
    soon("it drains", receipt).await.unwrap();
    // And whoever asks again waits for the same end.
    leave(client.disconnect(), peer).await;
    assert!(matches!(client.publish("t", "").await, Err(Error::Ended(_))));
}

#[tokio::test]
async fn no_event_is_lost_with_a_dropped_wait() {
    let server = Server::start().await;
    let (client, mut peer) = server.client(server.quick()).await;
    let mut events = client.events();
    while is_ready(&mut Box::pin(events.next())).await {}
    peer.send("30 03 00 01 61 30 03 00 01 62").await;
    for topic in ["a", "b"] {
        let event = loop {
            let next = tokio::select! { biased; event = events.next() => event, () = tokio::task::yield_now() => None };
            if let Some(event) = next {
                break event;
            }
        };
        assert!(matches!(&event, Event::Unwanted(came) if came == topic), "{event:?}");
    }
}

#[tokio::test]
async fn requests_on_one_connection_that_are_dropped_are_asked_all_the_same() {
    let (client, mut messages, mut peer) = pair().await;
    let filters = [("a", QoS::AtMostOnce)];
    let mut asked = Box::pin(client.subscribe(&filters));
    assert!(!is_ready(&mut asked).await);
    drop(asked);
    peer.expect(&["82 06 00 01 00 01 61 00"]).await;
    let mut asked = Box::pin(client.unsubscribe(&["a"]));
    assert!(!is_ready(&mut asked).await);
    drop(asked);
    peer.expect(&["A2 05 00 02 00 01 61"]).await;
    // Answers that nobody waits for disturb nothing.
    peer.send("90 03 00 01 00 B0 02 00 02").await;
    let mut receipt = client.publish("t", *b"", QoS::AtLeastOnce, false).await.unwrap();
    peer.expect(&["32 05 00 01 74 00 03"]).await;
    assert!(!is_ready(&mut receipt).await);
    assert!(!is_ready(&mut Box::pin(messages.next())).await);
    peer.send("30 03 00 01 61 40 02 00 03").await;
    soon("PUBACK", receipt).await.unwrap();
    assert_eq!(soon("it comes", messages.next()).await.unwrap().topic.as_str(), "a");
    let mut leaving = Box::pin(client.disconnect());
    assert!(!is_ready(&mut leaving).await);
    drop(leaving);
    leave(client.disconnect(), peer).await;
}
