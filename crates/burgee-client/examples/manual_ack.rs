//! Acknowledge by hand: an order is the broker's until it is in our own file.
//! `cargo run -p burgee-client --example manual_ack -- mqtt://localhost orders.log`

use std::fs::OpenOptions;
use std::io::Write;

use burgee_client::{Client, Options, QoS};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or("mqtt://localhost".to_owned());
    let path = arguments.next().unwrap_or("orders.log".to_owned());
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    let options = Options::from_url(&address)?.client_id("orders").clean_session(false);
    // The stream is there before the first message of the kept session comes.
    let mut prepared = Client::prepare(options.manual_ack(true))?;
    let mut orders = prepared.subscribe("orders/#", QoS::AtLeastOnce)?;
    let client = prepared.start();
    while let Some(order) = orders.next().await {
        file.write_all(&order.payload)?;
        file.write_all(b"\n")?;
        file.sync_data()?;
        // Killed before this line, we get the order again.
        order.ack();
    }
    Ok(client.disconnect().await?)
}
