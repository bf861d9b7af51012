//! An outbox whose disk fails: whose fault it is said to be, what is on disk, and what the next start makes of it.

use super::outbox::Directory;
use super::support::{CONNACK, RESUMED, Server, leave, soon};
use burgee_client::{Client, ConnectError, End, Error, Options, QoS, State};
use burgee_faulty_disk::{Call, Disk, Failing};

/// SQLite's codes: a write failed, a sync failed, the disk is full.
const FAULTS: [(&str, Call, i32); 3] = [
    ("write", Call::Write, 778),
    ("sync", Call::Sync, 1034),
    ("full", Call::Write, 13),
];

fn break_down(disk: &Disk, call: Call, code: i32) {
    let calls: &'static [Call] = if call == Call::Sync {
        &[Call::Sync]
    } else {
        &[Call::Write]
    };
    disk.fail(Failing {
        calls,
        file: None,
        nth: 1,
        code,
        stays: true,
    });
}

fn with_outbox(server: &Server, directory: &Directory) -> Options {
    server.quick().clean_session(false).outbox(directory.file())
}

fn is_the_disks<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::Ended(End::OutboxFailed(_))))
}

#[tokio::test]
async fn a_failing_disk_is_named_and_nothing_goes_out_that_is_not_on_it() {
    for (name, call, code) in FAULTS {
        let directory = Directory::new(name);
        let disk = Disk::watch(directory.path()).unwrap();
        let server = Server::start().await;
        let (client, mut peer) = server.client(with_outbox(&server, &directory)).await;
        let stored = client.publish("t", "a").qos(QoS::AtLeastOnce).send().await.unwrap();
        peer.expect(&["32 06 00 01 74 00 01 61"]).await;
        break_down(&disk, call, code);
        let refused = soon("an answer", client.publish("t", "b").qos(QoS::AtLeastOnce).send()).await;
        let words = refused.as_ref().map(drop).unwrap_err().to_string();
        assert!(
            words.starts_with("the outbox on disk cannot be used: "),
            "{name}: {words}"
        );
        assert!(is_the_disks(&refused), "{name}");
        assert!(is_the_disks(&soon("an answer", stored).await), "{name}");
        assert!(
            matches!(&*client.state().borrow(), State::Closed(End::OutboxFailed(_))),
            "{name}"
        );
        // Neither the message nor DISCONNECT: whoever looks after this client hears its will.
        peer.ended().await;
        assert!(disk.mend(), "{name}: nothing failed");
        // What was on disk goes out at the next start. What was refused may have reached the disk all the same where only
        // the sync failed, and comes behind it.
        let next = Client::prepare(with_outbox(&server, &directory)).unwrap().start();
        let mut peer = server.greet(RESUMED).await;
        peer.expect(&["3A 06 00 01 74 00 01 61"]).await;
        peer.send("40 02 00 01").await;
        soon("written", next.publish("end", "")).await.unwrap();
        match peer.packet().await.as_str() {
            "30 05 00 03 65 6E 64" => {}
            "3A 06 00 01 74 00 02 62" if call == Call::Sync => {
                peer.send("40 02 00 02").await;
                peer.expect(&["30 05 00 03 65 6E 64"]).await;
            }
            other => panic!("{name}: {other}"),
        }
        leave(next.disconnect(), peer).await;
    }
}

#[tokio::test]
async fn mqtt_4_8_0_2_transient_error_closes() {
    for (name, call, code) in FAULTS {
        let directory = Directory::new(&format!("in-{name}"));
        let disk = Disk::watch(directory.path()).unwrap();
        let server = Server::start().await;
        let mut prepared = Client::prepare(with_outbox(&server, &directory)).unwrap();
        let mut stream = prepared.subscribe("in", QoS::ExactlyOnce).unwrap();
        let (client, mut peer) = tokio::join!(prepared.connect(), server.greet(CONNACK));
        let client = client.unwrap();
        peer.expect(&["82 07 00 01 00 02 69 6E 02"]).await;
        peer.send("90 03 00 01 02").await;
        break_down(&disk, call, code);
        peer.send("34 07 00 02 69 6E 00 09 78").await;
        assert_eq!(soon("the message", stream.next()).await.unwrap().text(), Some("x"));
        // Its identifier cannot be kept, so PUBREC would be a promise that nobody keeps.
        assert!(soon("the stream ends", stream.next()).await.is_none(), "{name}");
        peer.ended().await;
        assert!(is_the_disks(&client.disconnect().await), "{name}");
        assert!(disk.mend(), "{name}: nothing failed");
        // Another client of this program does not notice.
        let (other, mut peer) = server.client(server.quick().client_id("d")).await;
        soon("written", other.publish("t", "")).await.unwrap();
        peer.expect(&["30 03 00 01 74"]).await;
        leave(other.disconnect(), peer).await;
    }
}

#[tokio::test]
async fn an_outbox_that_cannot_be_opened_is_the_disks_fault_and_not_the_servers() {
    let directory = Directory::new("nowhere");
    let server = Server::start().await;
    let options = server.quick().clean_session(false);
    let options = options.outbox(directory.path().join("missing").join("outbox.db"));
    let error = soon("it fails", Box::pin(Client::connect(options.clone())))
        .await
        .map(drop)
        .unwrap_err();
    assert!(matches!(error, ConnectError::Outbox(_)), "{error:?}");
    let words = error.to_string();
    assert!(
        words.starts_with("the outbox on disk cannot be used: ") && words.contains("outbox.db"),
        "{words}"
    );
    // The same where the client connects in the background: it ends, and says so to whoever publishes.
    let client = Client::prepare(options).unwrap().start();
    assert!(is_the_disks(
        &soon("an answer", client.publish("t", "").qos(QoS::AtLeastOnce).into_future()).await
    ));
}
