//! A broker and its clients in one process, for a program's own tests or a device that needs no other.
//! `cargo run -p burgee --example embedded`

#![expect(clippy::print_stdout, reason = "an example shows what it has done")]

use std::error::Error;
use std::time::Duration;

use burgee_broker::Broker;
use burgee_client::{Client, Options, QoS};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // On a port that is free, keeping nothing. It has threads of its own.
    let broker = Broker::on_loopback()?;

    let display = Client::connect(Options::from_url(&broker.url())?).await?;
    let mut rooms = display.subscribe("rooms/+/temperature", QoS::AtLeastOnce).await?;

    let sensor = Client::connect(Options::from_url(&broker.url())?).await?;
    sensor
        .publish("rooms/7/temperature", "21.5")
        .qos(QoS::AtLeastOnce)
        .await?;

    let message = rooms.next().await.ok_or("the client has ended")?;
    println!("{} is {}", message.topic, message.text().unwrap_or("no text"));

    sensor.disconnect().await?;
    display.disconnect().await?;
    if !broker.shutdown(Duration::from_secs(5)) {
        return Err("a part of the broker had failed".into());
    }
    Ok(())
}
