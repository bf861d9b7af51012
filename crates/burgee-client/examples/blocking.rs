//! Without async: each call waits for its answer.
//! `cargo run -p burgee-client --example blocking -- mqtt://localhost`

use std::time::Duration;

use burgee_client::blocking::Client;
use burgee_client::{Options, QoS};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or("mqtt://localhost".to_owned());
    let client = Client::connect(Options::from_url(&address)?)?;
    let mut echo = client.subscribe("echo", QoS::AtLeastOnce)?;
    client.publish("echo", "hello", QoS::AtLeastOnce)?;
    if let Some(message) = echo.next_within(Duration::from_secs(5)) {
        eprintln!("{}: {:?}", message.topic, message.text());
    }
    client.disconnect()?;
    Ok(())
}
