//! Sessions over more than one connection: 3.1.2, 3.2.2, 4.1, 4.4, 4.6.

use super::support::{CONNACK, Peer, RESUMED, Server, leave, soon};
use burgee_client::connection::{Connection, Messages, Session};
use burgee_client::{ConnectError, Invalid, Options, QoS};

fn kept(server: &Server) -> Options {
    server.options().clean_session(false)
}

/// The connection breaks; what is left of its session.
async fn cut(peer: Peer, client: Connection, messages: Messages) -> Session {
    peer.cut();
    drop(client);
    soon("it ends", messages.finish()).await.1.expect("a session")
}

/// The session goes on with a new connection, which the server answers with `connack`.
async fn resume(server: &Server, options: &Options, session: Session, connack: &str) -> (Connection, Messages, Peer) {
    let script = async {
        let mut peer = server.accept().await;
        let connect = peer.packet().await;
        assert!(connect.starts_with("10 ") && connect.ends_with("00 01 63"), "{connect}");
        peer.send(connack).await;
        peer
    };
    let (resumed, peer) = tokio::join!(Connection::resume(options, session), script);
    let (client, messages) = resumed.unwrap_or_else(|failed| panic!("{}", failed.error));
    (client, messages, peer)
}

async fn publish(client: &Connection, payload: u8, qos: QoS) {
    drop(client.publish("t", [payload], qos, false).await.unwrap());
}

/// Messages of three kinds are cut off, one of them behind its PUBREC.
async fn unfinished() -> (Server, Session) {
    let server = Server::start().await;
    let (client, messages, mut peer) = server.welcome(&kept(&server)).await;
    publish(&client, b'a', QoS::ExactlyOnce).await;
    publish(&client, b'b', QoS::AtLeastOnce).await;
    publish(&client, b'c', QoS::ExactlyOnce).await;
    peer.expect(&[
        "34 06 00 01 74 00 01 61",
        "32 06 00 01 74 00 02 62",
        "34 06 00 01 74 00 03 63",
    ])
    .await;
    peer.send("50 02 00 01").await;
    peer.expect(&["62 02 00 01"]).await;
    let session = cut(peer, client, messages).await;
    assert_eq!((session.unfinished(), session.taken_over()), (3, 1));
    (server, session)
}

#[tokio::test]
async fn mqtt_2_3_1_3_resend_keeps_the_identifier() {
    resend().await;
}

#[tokio::test]
async fn mqtt_3_1_2_4_clean0_resumes_or_creates_session() {
    resend().await;
}

#[tokio::test]
async fn mqtt_3_3_1_1_redelivery_has_dup_1() {
    resend().await;
}

#[tokio::test]
async fn mqtt_4_4_0_1_resend_unacknowledged_on_reconnect() {
    resend().await;
}

#[tokio::test]
async fn mqtt_4_6_0_1_resend_in_original_order() {
    resend().await;
}

async fn resend() {
    let (server, session) = unfinished().await;
    let (client, _messages, mut peer) = resume(&server, &kept(&server), session, RESUMED).await;
    assert!(client.session_present());
    let receipt = client.publish("t", *b"d", QoS::AtLeastOnce, false).await.unwrap();
    peer.expect(&[
        "62 02 00 01",
        "3A 06 00 01 74 00 02 62",
        "3C 06 00 01 74 00 03 63",
        "32 06 00 01 74 00 04 64",
    ])
    .await;
    peer.send("70 02 00 01 40 02 00 02 50 02 00 03").await;
    peer.expect(&["62 02 00 03"]).await;
    peer.send("70 02 00 03 40 02 00 04").await;
    soon("PUBACK", receipt).await.unwrap();
    leave(client.disconnect(), peer).await;
}

#[tokio::test]
async fn mqtt_3_1_2_6_clean1_discards_session() {
    let (server, session) = unfinished().await;
    let (client, _messages, mut peer) = resume(&server, &server.options(), session, CONNACK).await;
    client
        .publish("t", *b"d", QoS::AtMostOnce, false)
        .await
        .unwrap()
        .await
        .unwrap();
    peer.expect(&["30 04 00 01 74 64"]).await;
}

#[tokio::test]
async fn mqtt_3_1_3_2_client_id_names_the_session() {
    let (server, session) = unfinished().await;
    let other = kept(&server).client_id("d");
    let failed = Connection::resume(&other, session)
        .await
        .expect_err("another's session");
    assert!(matches!(failed.error, ConnectError::Invalid(Invalid::OtherClientId)));
    assert_eq!(failed.session.unfinished(), 3, "it comes back");
}

#[tokio::test]
async fn mqtt_3_1_4_5_nothing_after_rejected_connect_is_processed() {
    let (server, session) = unfinished().await;
    let options = kept(&server);
    let (failed, ()) = tokio::join!(Connection::resume(&options, session), async {
        let mut peer = server.accept().await;
        peer.packet().await;
        peer.send("20 02 00 03").await;
        peer.ended().await;
    });
    let session = failed.expect_err("refused").session;
    let (_client, _messages, mut peer) = resume(&server, &options, session, RESUMED).await;
    peer.expect(&["62 02 00 01", "3A 06 00 01 74 00 02 62", "3C 06 00 01 74 00 03 63"])
        .await;
}

#[tokio::test]
async fn mqtt_3_2_2_2_stored_session_present_1() {
    let (server, session) = unfinished().await;
    let (client, _messages, mut peer) = resume(&server, &kept(&server), session, CONNACK).await;
    assert!(!client.session_present(), "the application is told");
    // Published anew; what the server had taken over with PUBREC is not ours to repeat.
    peer.expect(&["32 06 00 01 74 00 01 62", "34 06 00 01 74 00 02 63"])
        .await;
}

#[tokio::test]
async fn mqtt_4_1_0_1_session_state_is_kept() {
    let server = Server::start().await;
    let (client, mut messages, mut peer) = server.welcome(&kept(&server)).await;
    peer.send("34 06 00 01 74 00 05 61").await;
    peer.expect(&["50 02 00 05"]).await;
    assert!(soon("it comes", messages.next()).await.is_some());
    let session = cut(peer, client, messages).await;
    let (_client, mut messages, mut peer) = resume(&server, &kept(&server), session, RESUMED).await;
    peer.send("3C 06 00 01 74 00 05 61 30 04 00 01 74 7A").await;
    peer.expect(&["50 02 00 05"]).await;
    assert_eq!(
        &*soon("the next one", messages.next()).await.unwrap().payload,
        b"z",
        "not twice"
    );
}

#[tokio::test]
async fn a_start_without_the_session_frees_an_identifier_before_its_first_message() {
    let server = Server::start().await;
    let (client, _messages, mut peer) = {
        let (client, peer, _) = server.answer(&kept(&server), RESUMED).await;
        let (client, messages) = client.expect("connected");
        (client, messages, peer)
    };
    let receipt = client.publish("t", *b"a", QoS::ExactlyOnce, false).await.unwrap();
    // The server may hold 1 for a message of the life before: then it would take this one for the same.
    peer.expect(&["62 02 00 01", "62 02 00 02"]).await;
    drop(client.publish("t", *b"z", QoS::AtMostOnce, false).await.unwrap());
    peer.expect(&["30 04 00 01 74 7A"]).await;
    peer.send("70 02 00 01 70 02 00 02").await;
    peer.expect(&["34 06 00 01 74 00 01 61"]).await;
    peer.send("50 02 00 01").await;
    peer.expect(&["62 02 00 01"]).await;
    peer.send("70 02 00 01").await;
    soon("PUBCOMP", receipt).await.unwrap();
    leave(client.disconnect(), peer).await;
}

#[tokio::test]
async fn mqtt_4_1_0_2_session_lasts_as_long_as_connection() {
    let server = Server::start().await;
    let (client, _messages, mut peer) = server.welcome(&server.options()).await;
    publish(&client, b'a', QoS::ExactlyOnce).await;
    peer.expect(&["34 06 00 01 74 00 01 61"]).await;
    for number in 0..300_u16 {
        let receipt = client.publish("t", *b"", QoS::AtLeastOnce, false).await.unwrap();
        let packet = peer.packet_bytes().await;
        assert!(number > 0 || packet.ends_with(&[0, 2]));
        peer.send_bytes(&[0x40, 2, packet[5], packet[6]]).await;
        receipt.await.unwrap();
    }
    peer.send("50 02 00 01").await;
    peer.expect(&["62 02 00 01"]).await;
}
