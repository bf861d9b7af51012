//! burgee-client: a publish gives a receipt, which is awaited when the window is full; messages are a stream.

use std::collections::VecDeque;

use burgee_client::{Client, Options, QoS};

use crate::{Load, Measure, Outcome};

fn options(load: &Load) -> Options {
    Options::new(&load.host, load.port)
        .client_id(load.client_id())
        .window(load.window)
}

fn qos(load: &Load) -> QoS {
    QoS::from_bits(load.qos).unwrap_or(QoS::AtMostOnce)
}

pub(crate) async fn publish(load: &Load, measure: &mut Measure) -> Outcome {
    let client = Client::connect(options(load)).await?;
    let mut waiting = VecDeque::new();
    measure.begin();
    for _ in 0..load.messages {
        waiting.push_back(client.publish(&load.topic, load.payload()).qos(qos(load)).send().await?);
        if waiting.len() >= usize::from(load.window)
            && let Some(first) = waiting.pop_front()
        {
            first.await?;
        }
    }
    for receipt in waiting {
        receipt.await?;
    }
    Ok(())
}

pub(crate) async fn receive(load: &Load, measure: &mut Measure) -> Outcome {
    let client = Client::connect(options(load)).await?;
    let mut messages = client.subscribe(&load.topic, qos(load)).await?;
    println!("ready");
    for _ in 0..load.messages {
        messages.next().await.ok_or("the connection ended")?;
        measure.begin();
    }
    Ok(())
}
