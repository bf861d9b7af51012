//! A sensor: publishes a reading each second, for ever, and tells by its will that it is gone.
//! `cargo run -p burgee-client --example sensor -- mqtt://localhost`

use std::time::Duration;

use burgee_client::{Client, Options, QoS, Will};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or("mqtt://localhost".to_owned());
    let will = Will::new("sensors/7/state", "gone").qos(QoS::AtLeastOnce).retain(true);
    let options = Options::from_url(&address)?.client_id("sensor-7").will(will);
    // The broker need not be there yet, and may go away: the client comes back by itself.
    let client = Client::prepare(options)?.start();
    let here = client.publish("sensors/7/state", "here").qos(QoS::AtLeastOnce).retain();
    here.await?;
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    for number in 0_u32.. {
        seconds.tick().await;
        let reading = format!("{:.1}", 20.0 + f64::from(number % 50) / 10.0);
        client
            .publish("sensors/7/temperature", reading)
            .qos(QoS::AtLeastOnce)
            .await?;
    }
    Ok(client.disconnect().await?)
}
