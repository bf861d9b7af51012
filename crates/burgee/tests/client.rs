//! The client library and the broker in one process: what a user's own test does.

use std::time::Duration;

use burgee_broker::Broker;
use burgee_client::{Client, Options, QoS};
use tokio::time::timeout;

type Outcome = Result<(), Box<dyn std::error::Error>>;

async fn client(broker: &Broker, id: &str) -> Result<Client, Box<dyn std::error::Error>> {
    Ok(Client::connect(Options::from_url(&broker.url())?.client_id(id)).await?)
}

#[tokio::test]
async fn a_thousand_messages_of_each_qos_arrive_in_order() -> Outcome {
    let broker = Broker::on_loopback()?;
    let (publisher, subscriber) = (client(&broker, "p").await?, client(&broker, "s").await?);
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut numbers = subscriber.subscribe("numbers/+", QoS::ExactlyOnce).await?;
        let sending = async {
            let mut receipts = Vec::new();
            for number in 0..1000_u32 {
                receipts.push(
                    publisher
                        .publish("numbers/x", number.to_string())
                        .qos(qos)
                        .send()
                        .await?,
                );
            }
            for receipt in receipts {
                receipt.await?;
            }
            Ok::<_, burgee_client::Error>(())
        };
        let receiving = async {
            for number in 0..1000_u32 {
                let message = numbers.next().await.ok_or("an end")?;
                assert_eq!((message.text(), message.qos), (Some(number.to_string().as_str()), qos));
            }
            Ok::<_, Box<dyn std::error::Error>>(())
        };
        let (sent, received) = timeout(Duration::from_secs(30), async { tokio::join!(sending, receiving) }).await?;
        sent?;
        received?;
        assert_eq!(numbers.dropped(), 0);
        numbers.unsubscribe().await?;
    }
    publisher.disconnect().await?;
    subscriber.disconnect().await?;
    assert!(broker.shutdown(Duration::from_secs(5)), "it ends in order");
    Ok(())
}

#[tokio::test]
async fn retained_messages_and_requests_find_their_way() -> Outcome {
    let broker = Broker::on_loopback()?;
    let client = client(&broker, "c").await?;
    client.publish("state", "on").qos(QoS::AtLeastOnce).retain().await?;
    let mut states = client.subscribe("state", QoS::AtLeastOnce).await?;
    let state = timeout(Duration::from_secs(10), states.next()).await?.ok_or("an end")?;
    assert!(state.retain);
    assert_eq!(state.text(), Some("on"));
    client.disconnect().await?;
    assert!(broker.shutdown(Duration::from_secs(5)), "it ends in order");
    Ok(())
}
