//! mqtt5: a publish is awaited until it is answered, so a window of them is awaited together; messages come to a callback.

use futures_util::stream::{FuturesUnordered, StreamExt};
use mqtt5::{ConnectOptions, MqttClient, ProtocolVersion, PublishOptions, QoS, SubscribeOptions};
use tokio::sync::mpsc;

use crate::{Load, Measure, Outcome};

async fn connect(load: &Load) -> Result<MqttClient, Box<dyn std::error::Error>> {
    let options = ConnectOptions::new(load.client_id())
        .with_clean_start(true)
        .with_protocol_version(ProtocolVersion::V311);
    let client = MqttClient::with_options(options.clone());
    let url = format!("mqtt://{}:{}", load.host, load.port);
    Box::pin(client.connect_with_options(&url, options)).await?;
    Ok(client)
}

fn qos(load: &Load) -> QoS {
    [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(load.qos.min(2))]
}

pub(crate) async fn publish(load: &Load, measure: &mut Measure) -> Outcome {
    let client = connect(load).await?;
    let options = PublishOptions {
        qos: qos(load),
        ..PublishOptions::default()
    };
    let one = || client.publish_with_options(load.topic.as_str(), load.payload(), options.clone());
    measure.begin();
    if load.qos == 0 {
        for _ in 0..load.messages {
            one().await?;
        }
        return Ok(());
    }
    let mut waiting = FuturesUnordered::new();
    for _ in 0..load.messages {
        if waiting.len() >= usize::from(load.window) {
            waiting.next().await.transpose()?;
        }
        waiting.push(one());
    }
    while waiting.next().await.transpose()?.is_some() {}
    Ok(())
}

pub(crate) async fn receive(load: &Load, measure: &mut Measure) -> Outcome {
    let client = connect(load).await?;
    let (give, mut taken) = mpsc::unbounded_channel();
    let options = SubscribeOptions {
        qos: qos(load),
        ..SubscribeOptions::default()
    };
    client
        .subscribe_with_options(load.topic.as_str(), options, move |message| {
            give.send(message).ok();
        })
        .await?;
    println!("ready");
    for _ in 0..load.messages {
        taken.recv().await.ok_or("the connection ended")?;
        measure.begin();
    }
    Ok(())
}
