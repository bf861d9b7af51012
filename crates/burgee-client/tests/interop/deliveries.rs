//! What arrives, and how often, while nothing breaks.

use burgee_client::{Client, Options, QoS, Version, Will};

use super::broker::{Broker, Kind, connect, leave, next, soon, text};

const ALL: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

pub(crate) async fn each_qos_arrives_as_it_was_granted(kind: Kind) {
    let broker = Broker::start(kind);
    for version in [Version::V311, Version::V31] {
        let client = connect(broker.options("c").version(version)).await;
        for granted in ALL {
            let filter = format!("grid/{granted:?}/+");
            let mut stream = soon("SUBACK", client.subscribe(&filter, granted)).await.unwrap();
            assert_eq!(stream.granted(), granted);
            for sent in ALL {
                let topic = format!("grid/{granted:?}/{sent:?}");
                soon("its acknowledgement", client.publish(&topic, "x").qos(sent))
                    .await
                    .unwrap();
                let message = next(&mut stream).await;
                assert_eq!(
                    (message.topic.as_str(), message.qos),
                    (&*topic, sent.min(granted)),
                    "{version:?}"
                );
                assert!(!message.retain && !message.dup);
            }
        }
        leave(client).await;
    }
}

pub(crate) async fn payloads_of_all_sizes_and_topics_of_all_letters_arrive_whole(kind: Kind) {
    let broker = Broker::start(kind);
    let client = connect(broker.options("c")).await;
    let mut stream = client.subscribe("größe/#", QoS::ExactlyOnce).await.unwrap();
    for size in [0, 1, 127, 128, 16_383, 16_384, 70_000, 3_000_000] {
        let payload: Vec<u8> = (0..size).map(|at: u32| at.to_le_bytes()[at as usize % 4]).collect();
        let topic = format!("größe/{size} 水");
        for qos in ALL {
            soon("its acknowledgement", client.publish(&topic, payload.clone()).qos(qos))
                .await
                .unwrap();
            let message = next(&mut stream).await;
            assert_eq!((message.topic.as_str(), message.qos), (&*topic, qos));
            assert!(*message.payload == *payload, "{size} bytes with {qos:?}");
        }
    }
    leave(client).await;
}

pub(crate) async fn what_is_retained_comes_with_the_subscription_until_it_is_cleared(kind: Kind) {
    let broker = Broker::start(kind);
    let client = connect(broker.options("c")).await;
    let mut live = client.subscribe("kept", QoS::AtLeastOnce).await.unwrap();
    client
        .publish("kept", "old")
        .qos(QoS::AtLeastOnce)
        .retain()
        .await
        .unwrap();
    client
        .publish("kept", "new")
        .qos(QoS::ExactlyOnce)
        .retain()
        .await
        .unwrap();
    for payload in ["old", "new"] {
        let message = next(&mut live).await;
        assert_eq!((message.text(), message.retain), (Some(payload), false));
    }
    let late = connect(broker.options("late")).await;
    let mut stream = late.subscribe("kept", QoS::ExactlyOnce).await.unwrap();
    let message = next(&mut stream).await;
    assert_eq!(
        (message.text(), message.retain, message.qos),
        (Some("new"), true, QoS::ExactlyOnce)
    );
    client.publish("kept", "").qos(QoS::AtLeastOnce).retain().await.unwrap();
    let later = connect(broker.options("later")).await;
    let mut stream = later.subscribe("kept", QoS::AtLeastOnce).await.unwrap();
    client.publish("kept", "marker").qos(QoS::AtLeastOnce).await.unwrap();
    let message = next(&mut stream).await;
    assert_eq!((message.text(), message.retain), (Some("marker"), false));
    for client in [client, late, later] {
        leave(client).await;
    }
}

pub(crate) async fn the_will_comes_after_a_cut_and_not_after_disconnect(kind: Kind) {
    let broker = Broker::start(kind);
    let watcher = connect(broker.options("watcher")).await;
    let mut wills = watcher.subscribe("wills/+", QoS::AtLeastOnce).await.unwrap();
    let mortal = |id: &str| {
        let will = Will::new(format!("wills/{id}"), "gone")
            .qos(QoS::AtLeastOnce)
            .retain(true);
        broker.options(id).will(will)
    };
    leave(connect(mortal("orderly")).await).await;
    drop(connect(mortal("cut")).await);
    let message = next(&mut wills).await;
    assert_eq!(
        (message.topic.as_str(), message.text()),
        ("wills/cut", Some("gone")),
        "and none of the orderly one"
    );
    let mut retained = connect_and_look(broker.options("late"), "wills/+").await;
    assert!(next(&mut retained.1).await.retain);
    leave(retained.0).await;
    leave(watcher).await;
}

async fn connect_and_look(options: Options, filter: &str) -> (Client, burgee_client::Subscription) {
    let client = connect(options).await;
    let stream = client.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
    (client, stream)
}

pub(crate) async fn acknowledgements_by_hand_keep_what_was_not_acknowledged(kind: Kind) {
    let broker = Broker::start(kind);
    let options = broker.options("hand").clean_session(false).manual_ack(true);
    let mut prepared = Client::prepare(options.clone()).unwrap();
    let mut stream = prepared.subscribe("work", QoS::AtLeastOnce).unwrap();
    let worker = soon("connected", Box::pin(prepared.connect())).await.unwrap();
    let boss = connect(broker.options("boss")).await;
    // What is published before SUBACK would not come.
    soon("SUBACK", worker.subscribe("work", QoS::AtLeastOnce))
        .await
        .unwrap();
    for payload in ["a", "b", "c"] {
        boss.publish("work", payload).qos(QoS::AtLeastOnce).await.unwrap();
    }
    let first = soon("a message comes", stream.next()).await.unwrap();
    assert_eq!(first.text(), Some("a"));
    first.ack();
    assert_eq!(text(&mut stream).await, "b");
    // What is acknowledged before the end is known to the broker behind it; the rest comes again.
    leave(worker).await;
    drop(stream);
    let mut prepared = Client::prepare(options).unwrap();
    let mut stream = prepared.subscribe("work", QoS::AtLeastOnce).unwrap();
    let worker = soon("connected", Box::pin(prepared.connect())).await.unwrap();
    for payload in ["b", "c"] {
        let again = soon("a message comes", stream.next()).await.unwrap();
        assert_eq!((again.text(), again.dup), (Some(payload), true));
        again.ack();
    }
    leave(worker).await;
    leave(boss).await;
}

pub(crate) async fn what_nobody_subscribes_to_any_more_does_not_come(kind: Kind) {
    let broker = Broker::start(kind);
    let client = connect(broker.options("c")).await;
    let mut rest = client.subscribe("b/#", QoS::AtLeastOnce).await.unwrap();
    let gone = client.subscribe("+/x", QoS::AtLeastOnce).await.unwrap();
    let mut events = client.events();
    soon("UNSUBACK", gone.unsubscribe()).await.unwrap();
    for topic in ["a/x", "b/x"] {
        client.publish(topic, topic).qos(QoS::AtLeastOnce).await.unwrap();
    }
    assert_eq!(text(&mut rest).await, "b/x");
    leave(client).await;
    while let Some(event) = events.next().await {
        assert!(!matches!(event, burgee_client::Event::Unwanted(_)), "{event:?}");
    }
}
