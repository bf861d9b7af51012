//! What feeds a dashboard: only the latest counts, so a slow reader drops the oldest instead of holding up the rest.
//! `cargo run -p burgee-client --example dashboard -- mqtt://localhost 'sensors/#'`

use std::collections::BTreeMap;

use burgee_client::{Client, Options, Overflow, QoS};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or("mqtt://localhost".to_owned());
    let filter = arguments.next().unwrap_or("sensors/#".to_owned());
    let client = Client::connect(Options::from_url(&address)?).await?;
    let asked = client.subscribe(&filter, QoS::AtMostOnce).capacity(1000);
    let mut values = asked.overflow(Overflow::DropOldest).await?;
    let mut latest = BTreeMap::new();
    while let Some(message) = values.next().await {
        let value = message.text().unwrap_or("(no text)").to_owned();
        latest.insert(message.topic.as_str().to_owned(), value);
        eprintln!(
            "{} topics, {} values dropped: {latest:?}",
            latest.len(),
            values.dropped()
        );
    }
    Ok(())
}
