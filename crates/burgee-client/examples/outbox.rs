//! A durable outbox: what was taken is on disk, and is sent by the next start if this one is killed.
//! `cargo run -p burgee-client --features outbox --example outbox -- mqtt://localhost meter.outbox`

use burgee_client::{Client, Options, QoS};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or("mqtt://localhost".to_owned());
    let file = arguments.next().unwrap_or("meter.outbox".to_owned());
    // The session is kept under this identifier, here and at the broker.
    let options = Options::from_url(&address)?
        .client_id("meter-3")
        .clean_session(false)
        .outbox(file);
    let client = Client::prepare(options)?.start();
    for number in 0..1000_u32 {
        let reading = client
            .publish("meters/3/energy", number.to_string())
            .qos(QoS::ExactlyOnce);
        // Awaited, it is on disk. Nobody has to wait for the broker.
        drop(reading.send().await?);
    }
    // What cannot be sent now is not lost: the next start sends it.
    client.disconnect().await.or_else(|left| {
        eprintln!("{left}; they stay in the outbox");
        Ok(())
    })
}
