//! Futures that are dropped before they are done: each method says what then, and here it is seen.
//! Those of `next`, `send` and `subscribe` stand beside what else is told of them.

use super::client::subscribe;
#[cfg(feature = "outbox")]
use super::outbox::Directory;
#[cfg(feature = "outbox")]
use super::support::RESUMED;
use super::support::{Server, is_ready, leave, pair, soon};
use burgee_client::connection::Connection;
use burgee_client::{Client, End, Error, Event, QoS};

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

#[tokio::test]
async fn a_publish_on_one_connection_that_is_dropped_before_it_is_taken_publishes_nothing() {
    let server = Server::start().await;
    let (client, _messages, mut peer) = server.welcome(&server.options().window(1)).await;
    let mut taken = 0;
    loop {
        let mut publish = Box::pin(client.publish("t", [taken], QoS::AtLeastOnce, false));
        if !is_ready(&mut publish).await {
            break;
        }
        taken += 1;
    }
    // The window and what waits behind it are full: the last one was not taken, and is gone.
    for number in 0..taken {
        let packet = peer.packet_bytes().await;
        assert_eq!(packet.last(), Some(&number));
        peer.send_bytes(&[0x40, 2, packet[5], packet[6]]).await;
    }
    leave(client.disconnect(), peer).await;
}

#[tokio::test]
async fn the_end_of_a_connection_is_told_to_all_who_ask_whoever_stops_waiting() {
    let (client, _messages, peer) = pair().await;
    let mut first = Box::pin(client.ended());
    let mut second = Box::pin(client.ended());
    assert!(!is_ready(&mut first).await && !is_ready(&mut second).await);
    drop(first);
    peer.cut();
    for ended in [second, Box::pin(client.ended())] {
        assert!(matches!(soon("the end", ended).await, End::ClosedByServer));
    }
}

#[tokio::test]
async fn a_finish_that_is_dropped_leaves_the_connection_as_it_was() {
    let (client, messages, mut peer) = pair().await;
    let mut finish = Box::pin(messages.finish());
    assert!(!is_ready(&mut finish).await);
    drop(finish);
    // Messages are acknowledged and forgotten, as by whoever drops them.
    peer.send("32 05 00 01 74 00 07").await;
    peer.expect(&["40 02 00 07"]).await;
    let receipt = client.publish("t", *b"", QoS::AtLeastOnce, false).await.unwrap();
    peer.expect(&["32 05 00 01 74 00 01"]).await;
    peer.send("40 02 00 01").await;
    soon("PUBACK", receipt).await.unwrap();
    leave(client.disconnect(), peer).await;
}

#[tokio::test]
async fn a_resume_that_is_dropped_takes_the_session_with_it() {
    let server = Server::start().await;
    let options = server.options().clean_session(false);
    let (client, messages, mut peer) = server.welcome(&options).await;
    drop(client.publish("t", *b"a", QoS::AtLeastOnce, false).await.unwrap());
    peer.expect(&["32 06 00 01 74 00 01 61"]).await;
    peer.cut();
    let session = soon("it ends", messages.finish()).await.1.unwrap();
    let mut resume = Box::pin(Connection::resume(&options, session));
    // It has said CONNECT when it is dropped.
    let script = async {
        let mut peer = server.accept().await;
        assert!(peer.packet().await.starts_with("10 "));
        peer
    };
    let mut peer = tokio::select! { peer = script => peer, _ = &mut resume => panic!("no CONNACK came") };
    drop(resume);
    peer.ended().await;
    let (client, _messages, mut peer) = server.welcome(&options).await;
    drop(client.publish("t", *b"b", QoS::AtMostOnce, false).await.unwrap());
    peer.expect(&["30 04 00 01 74 62"]).await;
}

#[cfg(feature = "outbox")]
#[tokio::test]
async fn what_is_dropped_while_it_waits_for_the_disk_goes_out_once() {
    let directory = Directory::new("dropped");
    let server = Server::start().await;
    let options = server.quick().clean_session(false).outbox(directory.file());
    let (client, mut peer) = server.client(options.clone()).await;
    let mut send = Box::pin(client.publish("t", "1").qos(QoS::AtLeastOnce).send());
    assert!(!is_ready(&mut send).await);
    drop(send);
    peer.expect(&["32 06 00 01 74 00 01 31"]).await;
    peer.send("40 02 00 01").await;
    let mut leaving = Box::pin(client.disconnect());
    assert!(!is_ready(&mut leaving).await);
    drop(leaving);
    peer.expect(&["E0 00"]).await;
    peer.cut();
    soon("the same end", client.disconnect()).await.unwrap();
    // The next one finds a file that is free, and nothing in it.
    let next = Client::prepare(options).unwrap().start();
    let mut peer = server.greet(RESUMED).await;
    drop(next.publish("t", "2").qos(QoS::AtLeastOnce).send().await.unwrap());
    peer.expect(&["32 06 00 01 74 00 01 32"]).await;
}
