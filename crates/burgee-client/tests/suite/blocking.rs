//! The blocking face, from an ordinary thread.

use std::thread;
use std::time::Duration;

use super::support::{CONNACK, Server};
use burgee_client::blocking::Client;
use burgee_client::{QoS, State};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

#[test]
fn a_program_without_async_does_the_same() {
    let (give_options, options) = oneshot::channel();
    // The server has a thread of its own.
    let server = thread::spawn(move || {
        Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(async {
                let server = Server::start().await;
                give_options.send(server.quick()).unwrap();
                let mut peer = server.greet(CONNACK).await;
                peer.expect(&["82 06 00 01 00 01 61 01"]).await;
                peer.send("90 03 00 01 01").await;
                peer.expect(&["33 06 00 01 74 00 02 78"]).await;
                peer.send("40 02 00 02 32 06 00 01 61 00 09 79").await;
                peer.expect(&["34 05 00 01 74 00 03"]).await;
                peer.send("50 02 00 03").await;
                peer.expect(&["62 02 00 03"]).await;
                peer.send("70 02 00 03").await;
                peer.expect(&["40 02 00 09"]).await;
                peer.expect(&["A2 05 00 04 00 01 61"]).await;
                peer.send("B0 02 00 04").await;
                peer.expect(&["E0 00"]).await;
                peer.cut();
            });
    });
    let client = Client::connect(options.blocking_recv().unwrap()).unwrap();
    assert!(client.state().is_connected());
    let mut stream = client.subscribe("a", QoS::AtLeastOnce).unwrap();
    assert_eq!(stream.granted(), QoS::AtLeastOnce);
    assert!(stream.next_within(Duration::ZERO).is_none());
    client.publish_retained("t", "x", QoS::AtLeastOnce).unwrap();
    assert_eq!(stream.next().unwrap().text(), Some("y"));
    let receipt = client.send("t", "", QoS::ExactlyOnce).unwrap();
    receipt.wait().unwrap();
    assert!(stream.try_next().is_none());
    stream.unsubscribe().unwrap();
    client.disconnect().unwrap();
    assert!(matches!(client.state(), State::Closed(_)));
    server.join().unwrap();
}
