//! The client that looks after its connection, over more than one: D41 and D42, what is sent again and what is asked again.

use std::time::Duration;

use super::client::subscribe;
use super::support::{CONNACK, RESUMED, Server, soon};
use burgee_client::{Client, ConnectError, End, Error, Event, Options, QoS, State};

fn kept(server: &Server) -> Options {
    server.quick().clean_session(false)
}

/// Three messages, one of them behind its PUBREC, when the connection breaks.
async fn unfinished(server: &Server, options: Options) -> (Client, Vec<burgee_client::Receipt>) {
    let (client, mut peer) = server.client(options).await;
    let mut receipts = Vec::new();
    for (payload, qos) in [
        ("a", QoS::ExactlyOnce),
        ("b", QoS::AtLeastOnce),
        ("c", QoS::ExactlyOnce),
    ] {
        receipts.push(client.publish("t", payload).qos(qos).send().await.unwrap());
    }
    peer.expect(&[
        "34 06 00 01 74 00 01 61",
        "32 06 00 01 74 00 02 62",
        "34 06 00 01 74 00 03 63",
    ])
    .await;
    peer.send("50 02 00 01").await;
    peer.expect(&["62 02 00 01"]).await;
    peer.cut();
    (client, receipts)
}

#[tokio::test]
async fn a_resumed_session_goes_on_where_it_was() {
    let server = Server::start().await;
    let (_client, receipts) = unfinished(&server, kept(&server)).await;
    let mut peer = server.greet(RESUMED).await;
    peer.expect(&["62 02 00 01", "3A 06 00 01 74 00 02 62", "3C 06 00 01 74 00 03 63"])
        .await;
    peer.send("70 02 00 01 40 02 00 02 50 02 00 03").await;
    peer.expect(&["62 02 00 03"]).await;
    peer.send("70 02 00 03").await;
    for receipt in receipts {
        soon("done over two connections", receipt).await.unwrap();
    }
}

/// What was not acknowledged is published anew: new identifiers, no DUP. `receipts` of what the server had taken over fail.
async fn anew(server: &Server, options: Options) {
    let (_client, mut receipts) = unfinished(server, options).await;
    let mut peer = server.greet(CONNACK).await;
    peer.expect(&["32 06 00 01 74 00 01 62", "34 06 00 01 74 00 02 63"])
        .await;
    peer.send("40 02 00 01 50 02 00 02").await;
    peer.expect(&["62 02 00 02"]).await;
    peer.send("70 02 00 02").await;
    let taken_over = receipts.remove(0);
    assert!(matches!(soon("an answer", taken_over).await, Err(Error::SessionLost)));
    for receipt in receipts {
        soon("done anew", receipt).await.unwrap();
    }
}

#[tokio::test]
async fn mqtt_3_1_2_6_clean1_discards_session_client_publishes_anew() {
    let server = Server::start().await;
    anew(&server, server.quick()).await;
}

#[tokio::test]
async fn unfinished_messages_are_published_anew_where_the_session_is_lost() {
    let server = Server::start().await;
    anew(&server, kept(&server)).await;
}

#[tokio::test]
async fn whoever_wants_nothing_published_anew_is_told() {
    let server = Server::start().await;
    for options in [server.quick(), kept(&server)] {
        let (client, receipts) = unfinished(&server, options.republish(false)).await;
        let mut peer = server.greet(CONNACK).await;
        for receipt in receipts {
            assert!(matches!(soon("an answer", receipt).await, Err(Error::SessionLost)));
        }
        soon("written", client.publish("t", "")).await.unwrap();
        peer.expect(&["30 03 00 01 74"]).await;
    }
}

#[tokio::test]
async fn subscriptions_are_asked_for_again_where_the_server_lost_them() {
    let server = Server::start().await;
    let (client, mut peer) = server.client(kept(&server)).await;
    let mut events = client.events();
    let mut one = subscribe(&client, &mut peer, "a", QoS::AtLeastOnce).await;
    let _other = subscribe(&client, &mut peer, "b", QoS::AtMostOnce).await;
    peer.cut();
    let mut peer = server.greet(RESUMED).await;
    // It has them: what comes first is a message of ours.
    soon("written", client.publish("t", "")).await.unwrap();
    peer.expect(&["30 03 00 01 74"]).await;
    peer.cut();
    let mut peer = server.greet(CONNACK).await;
    peer.expect(&["82 0A 00 01 00 01 61 01 00 01 62 00"]).await;
    peer.send("90 04 00 01 01 80").await;
    peer.send("30 04 00 01 61 78").await;
    assert_eq!(
        soon("a stream outlives connections", one.next()).await.unwrap().text(),
        Some("x")
    );
    let mut told = Vec::new();
    while told.len() < 7 {
        told.push(soon("events", events.next()).await.unwrap());
    }
    assert!(
        matches!(
            &told[..],
            [
                Event::Connected { session_present: false },
                Event::Disconnected(End::ClosedByServer),
                Event::Connected { session_present: true },
                Event::Disconnected(_),
                Event::Connected { session_present: false },
                Event::SessionLost,
                Event::SubscriptionRefused(filter),
            ] if filter == "b"
        ),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_stream_that_went_while_there_was_no_connection_is_given_up_later() {
    let server = Server::start().await;
    let (client, mut peer) = server.client(kept(&server)).await;
    let stream = subscribe(&client, &mut peer, "a", QoS::AtLeastOnce).await;
    let mut state = client.state();
    peer.cut();
    soon("it notices", state.wait_for(|state| !state.is_connected()))
        .await
        .unwrap();
    drop(stream);
    let mut peer = server.greet(RESUMED).await;
    peer.expect(&["A2 05 00 02 00 01 61"]).await;
}

#[tokio::test]
async fn a_message_that_is_worked_on_comes_once_with_qos_2() {
    let server = Server::start().await;
    let (client, mut peer) = server.client(kept(&server).manual_ack(true)).await;
    let mut stream = subscribe(&client, &mut peer, "t", QoS::ExactlyOnce).await;
    peer.send("34 06 00 01 74 00 07 61 34 06 00 01 74 00 08 62 32 06 00 01 74 00 09 63")
        .await;
    let first = soon("a", stream.next()).await.unwrap();
    let second = soon("b", stream.next()).await.unwrap();
    assert_eq!(soon("c", stream.next()).await.unwrap().text(), Some("c"));
    let mut state = client.state();
    peer.cut();
    soon("it notices", state.wait_for(|state| !state.is_connected()))
        .await
        .unwrap();
    // The application is done with it while there is no connection.
    second.ack();
    let mut peer = server.greet(RESUMED).await;
    peer.send("3C 06 00 01 74 00 07 61 3C 06 00 01 74 00 08 62 3A 06 00 01 74 00 09 63")
        .await;
    // [MQTT-4.3.3-2] only the QoS 1 message comes again.
    let again = soon("c again", stream.next()).await.unwrap();
    assert_eq!((again.text(), again.dup), (Some("c"), true));
    first.ack();
    peer.expect(&["50 02 00 07", "50 02 00 08"]).await;
    again.ack();
    peer.expect(&["40 02 00 09"]).await;
}

#[tokio::test]
async fn a_client_may_be_started_before_its_server() {
    let server = Server::start().await;
    // A port at which nobody listens.
    let port = {
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        nobody.local_addr().unwrap().port()
    };
    let gone = Client::connect(Options::new("127.0.0.1", port)).await;
    assert!(matches!(gone.map(drop), Err(ConnectError::Unreachable { .. })));
    let mut prepared = Client::prepare(kept(&server)).unwrap();
    let mut stream = prepared.subscribe("t", QoS::AtLeastOnce).unwrap();
    let client = prepared.start();
    let receipt = client.publish("t", "early").qos(QoS::AtLeastOnce).send().await.unwrap();
    // The first attempts fail.
    server.accept().await.cut();
    let mut refused = server.greet("20 02 00 03").await;
    refused.ended().await;
    refused.cut();
    let mut peer = server.accept().await;
    peer.packet().await;
    // A message of the session comes together with CONNACK, before anything was asked: the stream is there.
    peer.send("20 02 01 00 32 06 00 01 74 00 01 7A").await;
    peer.expect(&["82 06 00 01 00 01 74 01", "32 0A 00 01 74 00 02 65 61 72 6C 79"])
        .await;
    peer.send("90 03 00 01 01 40 02 00 02").await;
    soon("PUBACK", receipt).await.unwrap();
    assert_eq!(soon("a message", stream.next()).await.unwrap().text(), Some("z"));
}

#[tokio::test]
async fn attempts_may_be_limited() {
    let server = Server::start().await;
    let (client, mut peer) = server.client(server.quick().attempts(2)).await;
    let receipt = client.publish("t", "").qos(QoS::AtLeastOnce).send().await.unwrap();
    peer.packet().await;
    peer.cut();
    server.accept().await.cut();
    server.accept().await.cut();
    let given_up = soon("an answer", receipt).await;
    assert!(matches!(given_up, Err(Error::Ended(End::GaveUp(_)))), "{given_up:?}");
    let (client, peer) = server.client(server.quick().attempts(0)).await;
    peer.cut();
    let mut state = client.state();
    let closed = soon("the end", state.wait_for(|state| matches!(state, State::Closed(_)))).await;
    assert!(matches!(&*closed.unwrap(), State::Closed(End::ClosedByServer)));
}

#[tokio::test]
async fn a_violation_ends_the_connection_and_not_the_client() {
    let server = Server::start().await;
    let (client, mut peer) = server.client(server.quick()).await;
    let mut events = client.events();
    assert!(matches!(
        soon("an event", events.next()).await,
        Some(Event::Connected { .. })
    ));
    peer.send("36 05 00 01 74 00 01").await;
    peer.ended().await;
    match soon("an event", events.next()).await {
        Some(Event::Disconnected(End::Violation(fault))) => assert_eq!(fault.statement(), "MQTT-3.3.1-4"),
        other => panic!("{other:?}"),
    }
    server.greet(CONNACK).await;
}

#[tokio::test]
async fn disconnect_drains_over_a_new_connection() {
    let server = Server::start().await;
    let (client, mut peer) = server.client(kept(&server)).await;
    let mut state = client.state();
    let receipt = client.publish("t", "").qos(QoS::AtLeastOnce).send().await.unwrap();
    peer.packet().await;
    peer.cut();
    soon("it notices", state.wait_for(|state| !state.is_connected()))
        .await
        .unwrap();
    let (done, ()) = tokio::join!(soon("the end", client.disconnect()), async {
        let mut peer = server.greet(RESUMED).await;
        peer.expect(&["3A 05 00 01 74 00 01"]).await;
        peer.send("40 02 00 01").await;
        peer.expect(&["E0 00"]).await;
        peer.cut();
    });
    done.unwrap();
    receipt.await.unwrap();
    // And with nothing to send it does not wait for a connection.
    let (client, peer) = server.client(kept(&server)).await;
    let mut state = client.state();
    peer.cut();
    soon("it notices", state.wait_for(|state| !state.is_connected()))
        .await
        .unwrap();
    soon("the end", client.disconnect()).await.unwrap();
}

#[tokio::test]
async fn waits_grow_to_a_limit_and_are_random() {
    // Nobody listens there any more.
    let port = Server::start().await.port();
    let options = Options::new("127.0.0.1", port)
        .backoff(Duration::from_millis(1), Duration::from_millis(16))
        .attempts(9);
    let client = Client::prepare(options).unwrap().start();
    let mut state = client.state();
    let mut waits = Vec::new();
    // One thread: the client's task goes no further before this has looked.
    while soon("a change", state.changed()).await.is_ok() {
        match &*state.borrow_and_update() {
            State::Waiting { wait, .. } => waits.push(*wait),
            State::Closed(_) => break,
            _ => {}
        }
    }
    assert_eq!(waits.len(), 8);
    let whole: Vec<_> = [1, 2, 4, 8, 16, 16, 16, 16].map(Duration::from_millis).into();
    for (wait, whole) in waits.iter().zip(&whole) {
        assert!(*wait > *whole / 2 && wait <= whole, "{waits:?}");
    }
    // Nothing taken off eight times by chance: once in 2 to the power of 64.
    assert_ne!(waits, whole, "a thousand clients would come at once");
}
