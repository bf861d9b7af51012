//! rumqttc: requests go into a channel, and whoever polls the event loop sees what came of them.

use rumqttc::{AsyncClient, Event, EventLoop, Incoming, MqttOptions, Outgoing, QoS};

use crate::{Load, Measure, Outcome};

fn client(load: &Load) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new(load.client_id(), &load.host, load.port);
    options.set_inflight(load.window);
    AsyncClient::new(options, usize::from(load.window))
}

fn qos(load: &Load) -> QoS {
    [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(load.qos.min(2))]
}

pub(crate) async fn publish(load: &Load, measure: &mut Measure) -> Outcome {
    let (client, mut events) = client(load);
    while !matches!(events.poll().await?, Event::Incoming(Incoming::ConnAck(_))) {}
    measure.begin();
    let (topic, payload, qos, messages) = (load.topic.clone(), load.payload(), qos(load), load.messages);
    let publisher = tokio::spawn(async move {
        for _ in 0..messages {
            client.publish(topic.as_str(), qos, false, payload.clone()).await?;
        }
        // Dropped, it would end the event loop before everything is answered.
        Ok::<_, rumqttc::ClientError>(client)
    });
    let mut over = 0;
    while over < load.messages {
        over += match (events.poll().await?, qos) {
            (Event::Outgoing(Outgoing::Publish(_)), QoS::AtMostOnce)
            | (Event::Incoming(Incoming::PubAck(_)), QoS::AtLeastOnce)
            | (Event::Incoming(Incoming::PubComp(_)), QoS::ExactlyOnce) => 1,
            _ => 0,
        };
    }
    publisher.await??;
    Ok(())
}

pub(crate) async fn receive(load: &Load, measure: &mut Measure) -> Outcome {
    let (client, mut events) = client(load);
    client.subscribe(&load.topic, qos(load)).await?;
    let mut taken = 0;
    while taken < load.messages {
        match events.poll().await? {
            Event::Incoming(Incoming::SubAck(_)) => println!("ready"),
            Event::Incoming(Incoming::Publish(_)) => {
                measure.begin();
                taken += 1;
            }
            _ => {}
        }
    }
    Ok(())
}
