//! Other ways to the broker, and another face of the library.

use burgee_client::{Client, ConnectError, Options, QoS, Tls, TlsFault, blocking};

use super::broker::{Broker, Kind, certificates, connect, leave, next, soon};

/// A large message of each QoS, there and back.
async fn talk(options: Options) {
    let client = connect(options).await;
    let mut stream = client.subscribe("echo", QoS::ExactlyOnce).await.unwrap();
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        soon("its acknowledgement", client.publish("echo", vec![7; 200_000]).qos(qos))
            .await
            .unwrap();
        let message = next(&mut stream).await;
        assert_eq!((message.payload.len(), message.qos), (200_000, qos));
    }
    leave(client).await;
}

pub(crate) async fn tls_believes_its_own_authority_and_no_other(kind: Kind) {
    let broker = Broker::start(kind);
    talk(broker.options_tls("c").tls(Tls::new().ca_pem(broker.authority()))).await;
    let (other, _, _) = certificates("another");
    let refused = Client::connect(broker.options_tls("c").tls(Tls::new().ca_pem(other))).await;
    match refused {
        Err(ConnectError::Tls(fault)) => assert!(matches!(fault, TlsFault::UnknownAuthority), "{fault}"),
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn web_sockets_carry_it_all(kind: Kind) {
    let broker = Broker::start(kind);
    talk(broker.options_ws("c", false)).await;
    let tls = Tls::new().ca_pem(broker.authority());
    talk(broker.options_ws("c", true).tls(tls)).await;
}

pub(crate) async fn a_program_without_async_does_the_same(kind: Kind) {
    let broker = Broker::start(kind);
    let options = broker.options("c");
    let done = tokio::task::spawn_blocking(move || {
        let client = blocking::Client::connect(options).unwrap();
        let mut stream = client.subscribe("t/#", QoS::ExactlyOnce).unwrap();
        client.publish_retained("t/a", "kept", QoS::AtLeastOnce).unwrap();
        client.publish("t/b", "sent", QoS::ExactlyOnce).unwrap();
        for expected in ["kept", "sent"] {
            assert_eq!(stream.next().unwrap().text(), Some(expected));
        }
        stream.unsubscribe().unwrap();
        client.disconnect().unwrap();
    });
    soon("its end", done).await.unwrap();
}
