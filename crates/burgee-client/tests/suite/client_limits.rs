//! What waits, where it waits, and what happens when it is too much.

use super::client::subscribe;
use super::support::{CONNACK, Server, leave, soon};
use burgee_client::{Client, Error, Options, Overflow, QoS, QueueLimit};
use tokio::task::yield_now;

/// A client whose connection is lost and that does not get another one before it is accepted.
async fn offline(server: &Server, overflow: Overflow) -> Client {
    let limit = QueueLimit {
        messages: 2,
        bytes: 1000,
        overflow,
    };
    let (client, peer) = server.client(server.quick().queue(limit)).await;
    let mut state = client.state();
    peer.cut();
    soon("it notices", state.wait_for(|state| !state.is_connected()))
        .await
        .unwrap();
    client
}

async fn send(client: &Client, payload: &str) -> burgee_client::Receipt {
    soon("it is taken", client.publish("t", payload).send()).await.unwrap()
}

#[tokio::test]
async fn without_a_connection_the_queue_has_a_limit_and_a_policy() {
    let server = Server::start().await;
    for (overflow, stay) in [
        (Overflow::DropNewest, ["30 04 00 01 74 30", "30 04 00 01 74 31"]),
        (Overflow::DropOldest, ["30 04 00 01 74 31", "30 04 00 01 74 32"]),
    ] {
        let client = offline(&server, overflow).await;
        let mut receipts = Vec::new();
        for payload in ["0", "1", "2"] {
            receipts.push(send(&client, payload).await);
        }
        let dropped = receipts.remove(if overflow == Overflow::DropNewest { 2 } else { 0 });
        let dropped = soon("an answer", dropped).await;
        assert!(matches!(dropped, Err(Error::QueueFull)), "{overflow:?} {dropped:?}");
        let mut peer = server.greet(CONNACK).await;
        peer.expect(&stay).await;
        for receipt in receipts {
            soon("written", receipt).await.unwrap();
        }
    }
}

#[tokio::test]
async fn without_a_connection_publishing_waits_by_default() {
    let server = Server::start().await;
    let client = offline(&server, Overflow::Wait).await;
    let sender = {
        let client = client.clone();
        tokio::spawn(async move {
            for number in 0..500_u16 {
                drop(client.publish("t", number.to_be_bytes()).send().await?);
            }
            client.disconnect().await
        })
    };
    for _ in 0..1000 {
        yield_now().await;
    }
    assert!(!sender.is_finished(), "500 messages do not fit");
    let mut peer = server.greet(CONNACK).await;
    for number in 0..500_u16 {
        let [high, low] = number.to_be_bytes();
        assert_eq!(peer.packet_bytes().await, [0x30, 5, 0, 1, b't', high, low]);
    }
    leave(async { sender.await.unwrap() }, peer).await;
}

#[tokio::test]
async fn a_full_stream_drops_what_its_policy_says_and_counts() {
    let server = Server::start().await;
    for (overflow, stay) in [(Overflow::DropNewest, ["0", "1"]), (Overflow::DropOldest, ["2", "3"])] {
        let (client, mut peer) = server.client(server.quick()).await;
        let (stream, ()) = tokio::join!(
            client.subscribe("t", QoS::AtLeastOnce).capacity(2).overflow(overflow),
            async {
                peer.packet().await;
                peer.send("90 03 00 01 01").await;
            }
        );
        let mut stream = stream.unwrap();
        peer.send("32 06 00 01 74 00 01 30 32 06 00 01 74 00 02 31 32 06 00 01 74 00 03 32 32 06 00 01 74 00 04 33")
            .await;
        // What is dropped is acknowledged once what is before it is.
        if overflow == Overflow::DropOldest {
            peer.expect(&["40 02 00 01", "40 02 00 02"]).await;
        }
        while stream.dropped() < 2 {
            yield_now().await;
        }
        for payload in stay {
            assert_eq!(soon("what stays", stream.next()).await.unwrap().text(), Some(payload));
        }
        assert!(stream.try_next().is_none());
        let acknowledged: &[&str] = if overflow == Overflow::DropOldest {
            &["40 02 00 03", "40 02 00 04"]
        } else {
            &["40 02 00 01", "40 02 00 02", "40 02 00 03", "40 02 00 04"]
        };
        peer.expect(acknowledged).await;
    }
}

#[tokio::test]
async fn a_stream_that_is_not_read_keeps_the_server_waiting() {
    let server = Server::start().await;
    let (client, mut peer) = server.client(server.quick()).await;
    let mut stream = subscribe(&client, &mut peer, "t", QoS::AtMostOnce).await;
    // Far more than the kernel's buffers hold.
    let message = [&[0x30, 0x83, 0x80, 0x04, 0, 1, b't'][..], &vec![7; 65_536]].concat();
    let flood = tokio::spawn(async move {
        for _ in 0..1000 {
            peer.send_bytes(&message).await;
        }
        peer
    });
    for _ in 0..1000 {
        yield_now().await;
        assert!(!flood.is_finished());
    }
    for _ in 0..1000 {
        assert!(soon("nothing is lost", stream.next()).await.is_some());
    }
    assert_eq!(stream.dropped(), 0);
    soon("the server is through", flood).await.unwrap();
}

#[tokio::test]
async fn a_handler_may_publish_and_await_the_receipt_behind_a_flood() {
    let server = Server::start().await;
    let (client, mut peer) = server.client(server.quick()).await;
    let mut stream = subscribe(&client, &mut peer, "t", QoS::AtMostOnce).await;
    // The answer to what the handler is going to publish stands behind far more than the stream holds.
    peer.send_bytes(&[0x30, 3, 0, 1, b't'].repeat(5000)).await;
    peer.send("40 02 00 02").await;
    assert!(soon("the first", stream.next()).await.is_some());
    // An acknowledgement for nothing is ignored, so the handler has to be first.
    let handled = client.publish("done", "").qos(QoS::AtLeastOnce).into_future();
    let (handled, ()) = tokio::join!(soon("no deadlock", handled), async {
        peer.packet().await;
        peer.send_bytes(&[0x30, 3, 0, 1, b't'].repeat(5000)).await;
        peer.send("40 02 00 02").await;
    });
    handled.unwrap();
    assert!(stream.dropped() > 0, "QoS 0 makes room for the acknowledgement");
}

#[tokio::test]
async fn qos_1_is_bounded_by_what_is_not_acknowledged() {
    let server = Server::start().await;
    let options: Options = server.quick();
    let (client, mut peer) = server.client(options).await;
    let (stream, ()) = tokio::join!(client.subscribe("t", QoS::AtLeastOnce).capacity(1), async {
        peer.packet().await;
        peer.send("90 03 00 01 01").await;
    });
    let mut stream = stream.unwrap();
    // More than the capacity, all without an acknowledgement, and an answer behind them: it is read at once.
    let flood: Vec<u8> = (1..=200_u8).flat_map(|id| [0x32, 5, 0, 1, b't', 0, id]).collect();
    peer.send_bytes(&flood).await;
    let handled = client.publish("done", "").qos(QoS::AtLeastOnce).into_future();
    let (handled, ()) = tokio::join!(soon("the answer", handled), async {
        peer.expect(&["32 08 00 04 64 6F 6E 65 00 02"]).await;
        peer.send("40 02 00 02").await;
    });
    handled.unwrap();
    for id in 1..=200_u16 {
        assert_eq!(
            soon("nothing is lost", stream.next()).await.unwrap().packet_id,
            Some(id)
        );
    }
    assert!(stream.try_next().is_none());
    for id in 1..=200_u8 {
        assert_eq!(peer.packet_bytes().await, [0x40, 2, 0, id]);
    }
}
