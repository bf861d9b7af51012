//! Request and response: one half answers, the other asks and waits for its answer.
//! `cargo run -p burgee-client --example request -- mqtt://localhost`

use std::time::Duration;

use burgee_client::{Client, Options, QoS};
use tokio::time::timeout;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or("mqtt://localhost".to_owned());
    let client = Client::connect(Options::from_url(&address)?).await?;
    let mut requests = client.subscribe("clock/ask/+", QoS::AtLeastOnce).await?;
    let server = client.clone();
    tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            // A handler may publish and wait for the acknowledgement: reading goes on meanwhile.
            let to = request.topic.as_str().replace("ask", "answer");
            let answer = format!("{:?}", std::time::SystemTime::now());
            server.publish(&to, answer).qos(QoS::AtLeastOnce).await.ok();
        }
    });
    // First the subscription, then the question: the answer cannot be missed.
    let mut answers = client.subscribe("clock/answer/me", QoS::AtLeastOnce).await?;
    client.publish("clock/ask/me", "").qos(QoS::AtLeastOnce).await?;
    let answer = timeout(Duration::from_secs(5), answers.next()).await?;
    eprintln!("{:?}", answer.as_ref().and_then(|message| message.text()));
    answers.unsubscribe().await?;
    Ok(client.disconnect().await?)
}
