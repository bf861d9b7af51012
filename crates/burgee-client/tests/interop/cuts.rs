//! What arrives when connections, brokers and programs break.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use burgee_client::{Client, Options, QoS, Subscription};

use super::broker::{Broker, Kind, connect, leave, soon, text};

const PORT: &str = "BURGEE_INTEROP_PORT";
const FILE: &str = "BURGEE_INTEROP_FILE";
const RUN: &str = "BURGEE_INTEROP_RUN";

/// A client with a kept session and a stream on `filter` that the server knows of.
async fn kept(options: Options, filter: &str) -> (Client, Subscription) {
    let mut prepared = Client::prepare(options.clean_session(false)).unwrap();
    let stream = prepared.subscribe(filter, QoS::ExactlyOnce).unwrap();
    let client = soon("connected", Box::pin(prepared.connect())).await.unwrap();
    // The same once more: its SUBACK comes behind the first one's.
    soon("SUBACK", client.subscribe(filter, QoS::ExactlyOnce))
        .await
        .unwrap();
    (client, stream)
}

pub(crate) async fn a_kept_session_brings_what_came_while_the_client_was_away(kind: Kind) {
    let broker = Broker::start(kind);
    let (client, stream) = kept(broker.options("away"), "news").await;
    leave(client).await;
    drop(stream);
    let publisher = connect(broker.options("publisher")).await;
    for number in 0..300 {
        let qos = if number < 150 {
            QoS::AtLeastOnce
        } else {
            QoS::ExactlyOnce
        };
        let sent = publisher.publish("news", number.to_string()).qos(qos).send();
        drop(sent.await.unwrap());
        if number == 149 {
            // Mosquitto hands a message of QoS 2 on at PUBREL: there may be no order between one QoS and the other.
            soon("PUBACK", publisher.publish("news", "half").qos(QoS::AtLeastOnce))
                .await
                .unwrap();
        }
    }
    leave(publisher).await;
    let (client, mut stream) = kept(broker.options("away"), "news").await;
    for number in 0..300 {
        if number == 150 {
            assert_eq!(text(&mut stream).await, "half");
        }
        assert_eq!(text(&mut stream).await, number.to_string());
    }
    assert!(stream.try_next().is_none());
    leave(client).await;
}

const COUNT: usize = 600;

/// After how many messages the broker is ended and started again.
const RESTARTS: [usize; 2] = [100, 300];

pub(crate) async fn a_broker_that_is_ended_and_starts_again_costs_no_message(kind: Kind) {
    let mut broker = Broker::start(kind);
    let (reader, mut once) = kept(broker.options("reader"), "two").await;
    let at_least = reader.subscribe("one", QoS::AtLeastOnce).await.unwrap();
    let (writer, _none) = kept(broker.options("writer"), "nothing").await;
    let publishing = tokio::spawn(publish_all(writer));
    // Beside the other: a stream that nobody reads holds up the acknowledgements of all.
    let reading = tokio::spawn(read_at_least_once(at_least));
    let mut numbers = Vec::new();
    let mut missing: BTreeSet<usize> = (0..COUNT).collect();
    while !missing.is_empty() {
        if RESTARTS.contains(&numbers.len()) {
            broker.restart();
        }
        let number = text(&mut once).await.parse().unwrap();
        missing.remove(&number);
        numbers.push(number);
    }
    soon("all came", reading).await.unwrap();
    soon("all are acknowledged", publishing).await.unwrap();
    while let Some(message) = once.try_next() {
        numbers.push(message.text().unwrap().parse().unwrap());
    }
    kind.has_all_after(RESTARTS.len(), numbers, COUNT);
    leave(reader).await;
}

async fn publish_all(writer: Client) {
    let mut receipts = Vec::new();
    for number in 0..COUNT {
        for (topic, qos) in [("one", QoS::AtLeastOnce), ("two", QoS::ExactlyOnce)] {
            let sent = writer.publish(topic, number.to_string()).qos(qos).send().await;
            receipts.push(sent.unwrap());
        }
    }
    for receipt in receipts {
        receipt.await.unwrap();
    }
    leave(writer).await;
}

async fn read_at_least_once(mut stream: Subscription) {
    let mut missing: BTreeSet<String> = (0..COUNT).map(|number| number.to_string()).collect();
    while !missing.is_empty() {
        missing.remove(&text(&mut stream).await);
    }
}

fn with_outbox(options: Options, file: impl Into<PathBuf>) -> Options {
    options.client_id("outbox").clean_session(false).outbox(file)
}

/// Numbers as fast as they go out, until the process is killed.
pub(crate) async fn publish_until_killed() {
    let [Ok(port), Ok(file), Ok(run)] = [PORT, FILE, RUN].map(std::env::var) else {
        return;
    };
    let options = Options::new("127.0.0.1", port.parse().unwrap());
    let client = Client::connect(with_outbox(options, file)).await.unwrap();
    for number in 0..u32::MAX {
        let sent = client
            .publish("numbers", format!("{run} {number}"))
            .qos(QoS::ExactlyOnce);
        drop(sent.send().await.unwrap());
    }
}

/// A process that publishes; killed at the end of its time, also when the test fails before.
struct Publishing(Child);

impl Drop for Publishing {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn start_child(port: u16, file: &Path, run: usize) -> Publishing {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_process_that_is_killed"])
        .env(PORT, port.to_string())
        .env(FILE, file)
        .env(RUN, run.to_string())
        .stdout(Stdio::null())
        .spawn();
    Publishing(child.unwrap())
}

pub(crate) async fn an_outbox_goes_on_after_the_process_was_killed(kind: Kind) {
    let broker = Broker::start(kind);
    let file = broker.folder().join("outbox.db");
    let reader = connect(broker.options("reader")).await;
    let mut stream = reader.subscribe("numbers", QoS::ExactlyOnce).await.unwrap();
    let mut runs = [Vec::new(), Vec::new()];
    for run in 0..2 {
        let child = start_child(broker.port(), &file, run);
        while runs[run].len() < 50 {
            note(&mut runs, &text(&mut stream).await);
        }
        drop(child);
    }
    // What is on disk goes out, and nothing else.
    let client = connect(with_outbox(broker.options(""), &file)).await;
    leave(client).await;
    reader.publish("numbers", "end").qos(QoS::ExactlyOnce).await.unwrap();
    let mut ended = false;
    while !ended
        || runs
            .iter()
            .any(|run| run.iter().max().is_some_and(|most| *most >= run.len()))
    {
        ended |= note(&mut runs, &text(&mut stream).await);
    }
    for run in runs {
        let count = run.len();
        kind.has_all(run, count);
    }
    leave(reader).await;
}

/// Puts a number down in its run; `true`: it is none, but the end.
fn note(runs: &mut [Vec<usize>; 2], text: &str) -> bool {
    let Some((run, number)) = text.split_once(' ') else {
        return true;
    };
    runs[run.parse::<usize>().unwrap()].push(number.parse().unwrap());
    false
}

/// A client that leaves a QoS 2 message between PUBREC and PUBREL, and its session to the server.
fn leave_unreleased(port: u16) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream
        .write_all(b"\x10\x10\x00\x04MQTT\x04\x00\x00\x00\x00\x04lost")
        .unwrap();
    stream.write_all(b"\x34\x0c\x00\x05lives\x00\x01old").unwrap();
    let mut answers = [0; 8];
    stream.read_exact(&mut answers).unwrap();
    assert_eq!(answers, [0x20, 2, 0, 0, 0x50, 2, 0, 1]);
}

pub(crate) async fn a_start_without_its_session_loses_no_new_message(kind: Kind) {
    let broker = Broker::start(kind);
    let reader = connect(broker.options("reader")).await;
    let mut lives = reader.subscribe("lives", QoS::ExactlyOnce).await.unwrap();
    leave_unreleased(broker.port());
    let client = connect(broker.options("lost").clean_session(false)).await;
    for payload in ["new", "newer"] {
        soon("PUBCOMP", client.publish("lives", payload).qos(QoS::ExactlyOnce))
            .await
            .unwrap();
    }
    for payload in ["old", "new", "newer"] {
        assert_eq!(text(&mut lives).await, payload);
    }
    leave(client).await;
    leave(reader).await;
}
