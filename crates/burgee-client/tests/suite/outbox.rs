//! The outbox on disk: a client that is killed, and the next one on the same file.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::support::{CONNACK, Peer, RESUMED, Server, soon};
use burgee_client::{Client, ConnectError, Options, QoS};

const PORT: &str = "BURGEE_TEST_OUTBOX_PORT";
const FILE: &str = "BURGEE_TEST_OUTBOX_FILE";

pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("burgee-outbox-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("outbox.db")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// What the process does that is going to be killed. In an ordinary run there is nothing to do.
#[tokio::test]
async fn the_process_that_is_killed() {
    let (Ok(port), Ok(file)) = (std::env::var(PORT), std::env::var(FILE)) else {
        return;
    };
    let options = Options::new("127.0.0.1", port.parse().unwrap())
        .client_id("c")
        .keep_alive(0);
    let mut prepared = Client::prepare(options.clean_session(false).outbox(file)).unwrap();
    let mut stream = prepared.subscribe("in", QoS::ExactlyOnce).unwrap();
    let client = prepared.connect().await.unwrap();
    for (payload, qos) in [
        ("a", QoS::ExactlyOnce),
        ("b", QoS::AtLeastOnce),
        ("c", QoS::ExactlyOnce),
        ("d", QoS::AtLeastOnce),
    ] {
        // Awaited, it is on disk.
        drop(client.publish("t", payload).qos(qos).send().await.unwrap());
    }
    while stream.next().await.is_some() {}
}

fn start_child(server: &Server, file: &Path) -> Child {
    let port = server.port().to_string();
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "outbox::the_process_that_is_killed"])
        .env(PORT, port)
        .env(FILE, file)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

async fn greet(server: &Server, connack: &str) -> Peer {
    server.greet(connack).await
}

#[tokio::test]
async fn after_a_kill_the_next_start_sends_the_rest_as_it_was() {
    let directory = Directory::new("kill");
    let server = Server::start().await;
    let mut child = start_child(&server, &directory.file());
    let mut peer = greet(&server, CONNACK).await;
    peer.expect(&["82 07 00 01 00 02 69 6E 02"]).await;
    peer.send("90 03 00 01 02").await;
    peer.expect(&[
        "34 06 00 01 74 00 02 61",
        "32 06 00 01 74 00 03 62",
        "34 06 00 01 74 00 04 63",
        "32 06 00 01 74 00 05 64",
    ])
    .await;
    // The third is done, the first is released; a message comes and is taken.
    peer.send("40 02 00 05 50 02 00 02").await;
    peer.expect(&["62 02 00 02"]).await;
    peer.send("34 07 00 02 69 6E 00 09 78").await;
    peer.expect(&["50 02 00 09"]).await;
    child.kill().unwrap();
    child.wait().unwrap();
    peer.cut();
    let mut prepared = Client::prepare(server.quick().clean_session(false).outbox(directory.file())).unwrap();
    let mut stream = prepared.subscribe("in", QoS::ExactlyOnce).unwrap();
    let client = prepared.start();
    let mut peer = greet(&server, RESUMED).await;
    peer.expect(&["62 02 00 02", "3A 06 00 01 74 00 03 62", "3C 06 00 01 74 00 04 63"])
        .await;
    let subscribe = peer.packet().await;
    assert!(subscribe.starts_with("82 07 00"), "{subscribe}");
    // Exactly once: the repetition is answered and not delivered, also the one behind it is.
    peer.send("3C 07 00 02 69 6E 00 09 78").await;
    peer.expect(&["50 02 00 09"]).await;
    peer.send("62 02 00 09").await;
    peer.expect(&["70 02 00 09"]).await;
    peer.send("34 07 00 02 69 6E 00 09 79").await;
    assert_eq!(soon("the new one", stream.next()).await.unwrap().text(), Some("y"));
    peer.send("70 02 00 02 40 02 00 03 50 02 00 04").await;
    peer.expect(&["62 02 00 04"]).await;
    peer.send(&format!("70 02 00 04 90 03 {} 02", &subscribe[6..11])).await;
    // What is new gets an identifier that nobody holds.
    let receipt = client.publish("t", "e").qos(QoS::AtLeastOnce).send().await.unwrap();
    let publish = peer.packet_bytes().await;
    assert_eq!((publish[0], publish[7]), (0x32, b'e'));
    peer.send_bytes(&[0x40, 2, publish[5], publish[6]]).await;
    soon("PUBACK", receipt).await.unwrap();
    drop(stream);
    let (done, ()) = tokio::join!(soon("the end", client.disconnect()), async {
        while let Some(packet) = peer.packet_or_end().await {
            if let Some(id) = packet.strip_prefix("A2 06 ") {
                peer.send(&format!("B0 02 {}", &id[..5])).await;
            }
            if packet == "E0 00" {
                break;
            }
        }
        peer.cut();
    });
    done.unwrap();
}

#[tokio::test]
async fn messages_wait_on_disk_without_a_server_and_go_out_anew_without_a_session() {
    let directory = Directory::new("anew");
    let server = Server::start().await;
    let options = server.quick().clean_session(false).outbox(directory.file());
    let early = Client::prepare(options.clone()).unwrap().start();
    for payload in ["a", "b"] {
        drop(
            soon("on disk", early.publish("t", payload).qos(QoS::ExactlyOnce).send())
                .await
                .unwrap(),
        );
    }
    // It ends without a connection; what it left says how much.
    let left = soon("the end", early.disconnect_within(std::time::Duration::ZERO)).await;
    assert_eq!(
        left.unwrap_err().to_string(),
        "2 messages or requests were not acknowledged in time"
    );
    drop(early);
    let next = Client::prepare(options).unwrap().start();
    let mut peer = loop {
        // The first client may have knocked as well.
        let mut peer = server.accept().await;
        if peer.packet_or_end().await.is_some() {
            peer.send(CONNACK).await;
            if peer.packet_or_end().await.as_deref() == Some("34 06 00 01 74 00 01 61") {
                break peer;
            }
        }
    };
    peer.expect(&["34 06 00 01 74 00 02 62"]).await;
    drop(next);
}

#[tokio::test]
async fn an_outbox_knows_over_restarts_whether_the_session_is_older() {
    let directory = Directory::new("older");
    let server = Server::start().await;
    let options = server.quick().clean_session(false).outbox(directory.file());
    let publish = async |client: &Client| drop(client.publish("t", "a").qos(QoS::ExactlyOnce).send().await.unwrap());
    let mut client = Client::prepare(options.clone()).unwrap().start();
    publish(&client).await;
    // The first two find a session that is older than the file, the third finds none, so the fourth's is ours.
    let older = ["62 02 00 01", "62 02 00 02"];
    let new = ["34 06 00 01 74 00 01 61"];
    for (connack, first) in [(RESUMED, &older[..]), (RESUMED, &older), (CONNACK, &new)] {
        let mut peer = greet(&server, connack).await;
        peer.expect(first).await;
        drop(client);
        peer.ended().await;
        client = Client::prepare(options.clone()).unwrap().start();
    }
    let mut peer = greet(&server, RESUMED).await;
    peer.expect(&["3C 06 00 01 74 00 01 61"]).await;
    publish(&client).await;
    peer.expect(&["34 06 00 01 74 00 02 61"]).await;
}

#[tokio::test]
async fn an_outbox_has_one_owner() {
    let directory = Directory::new("owner");
    let server = Server::start().await;
    let options = server.quick().clean_session(false).outbox(directory.file());
    let (client, _peer) = server.client(options.clone()).await;
    let second = Client::connect(options.clone()).await;
    assert!(matches!(second.map(drop), Err(ConnectError::Outbox(_))));
    drop(client);
    let clean = server.quick().outbox(directory.file());
    assert!(matches!(
        Client::prepare(clean).map(drop),
        Err(ConnectError::Invalid(_))
    ));
    let other = Options::new("127.0.0.1", 1)
        .client_id("another")
        .clean_session(false)
        .outbox(directory.file());
    let refused = loop {
        // The first one lets go of the file when its task has ended.
        let refused = Client::connect(other.clone()).await.map(drop).unwrap_err().to_string();
        if !refused.contains("locked") {
            break refused;
        }
        tokio::task::yield_now().await;
    };
    assert!(refused.contains("belongs to the client identifier \"c\""), "{refused}");
}
