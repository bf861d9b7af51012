//! What Mosquitto's programs do not have, and `burgee rr`.

use super::support::{Broker, Running, Scripted, run};

const CONNACK: &[u8] = &[0x20, 2, 0, 0];

/// A directory of this test alone, gone with it.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("burgee-commands-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

#[test]
fn a_request_goes_once_the_subscription_stands_and_its_response_is_printed() {
    let server = Scripted::start();
    let asking = server.command(
        "rr",
        &["-t", "ask", "-e", "answer", "-m", "x", "-q", "1", "-v", "-i", "c"],
    );
    let mut peer = server.accept(CONNACK);
    peer.expect(b"\x82\x0B\0\x01\0\x06answer\x01");
    peer.send(&[0x90, 3, 0, 1, 1]);
    peer.expect(b"\x32\x08\0\x03ask\0\x02x");
    peer.send(&[0x40, 2, 0, 2]);
    // Of another topic: a kept session may bring that.
    peer.send(b"\x30\x05\0\x02noz");
    peer.send(b"\x30\x0B\0\x06answeryes");
    peer.expect(&[0xE0, 0]);
    drop(peer);
    let ended = asking.end();
    assert_eq!((ended.code, ended.text()), (Some(0), "answer yes\n"));
}

#[test]
fn a_request_without_a_response_ends_with_27() {
    let broker = Broker::start();
    let ended = broker.run("rr", &["-t", "ask", "-e", "answer", "-m", "x", "-W", "1"]);
    assert_eq!((ended.code, ended.text()), (Some(27), ""));
    let wrong = run(&["rr", "-t", "ask", "-m", "x"]);
    assert!(wrong.code == Some(1) && wrong.err.contains("-e"), "{}", wrong.err);
}

#[test]
fn lines_of_json_carry_messages_from_sub_to_pub_whatever_their_bytes_are() {
    let broker = Broker::start();
    let sub = broker.subscribe(&["-t", "a/#", "--json", "-q", "2", "-C", "3"]);
    broker.publish(&["-t", "a/text", "-m", "\"x\"", "-q", "1"]);
    broker.publish(&["-t", "a/kept", "-m", "k", "-r"]);
    let mut bytes = broker.start_command("pub", &["-t", "a/bytes", "-s"]);
    bytes.feed(b"\0\xFF");
    assert_eq!(bytes.end().code, Some(0));
    let ended = sub.end();
    let lines = ended.text();
    assert!(
        lines.contains(r#""topic":"a/text","qos":1,"retain":false,"payload":"\"x\""}"#),
        "{lines}"
    );
    assert!(
        lines.contains(r#""topic":"a/bytes","qos":0,"retain":false,"payload_base64":"AP8="}"#),
        "{lines}"
    );
    let again = broker.subscribe(&["-t", "a/#", "-F", "%t %x", "-R", "-C", "3", "-q", "2"]);
    let mut publishing = broker.start_command("pub", &["--json"]);
    publishing.feed(lines.as_bytes());
    assert_eq!(publishing.end().code, Some(0));
    assert_eq!(again.end().text(), "a/text 227822\na/kept 6b\na/bytes 00ff\n");
}

#[test]
fn a_line_that_is_no_message_is_named() {
    let broker = Broker::start();
    let mut publishing = broker.start_command("pub", &["--json", "-t", "t"]);
    publishing.feed(b"{\"payload\":1}\n{\"qos\":7}\n");
    let ended = publishing.end();
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.err.contains("line 2") && ended.err.contains("qos"),
        "{}",
        ended.err
    );
}

#[test]
fn what_stands_before_a_bad_line_arrives() {
    let broker = Broker::start();
    let good = |topic: &str| {
        (0..20)
            .map(|number| format!("{{\"topic\":\"{topic}/{number}\"}}\n"))
            .collect::<Vec<_>>()
            .concat()
    };
    for (command, args, qos) in [
        ("pub", &["--json", "-q", "1"][..], "1"),
        ("pub", &["--json"], "0"),
        ("replay", &["-"], "0"),
    ] {
        let sub = broker.subscribe(&["-t", "t/#", "-q", "1", "-C", "20", "-F", "%t %q"]);
        let mut running = broker.start_command(command, args);
        running.feed(format!("{}bad\n", good("t")).as_bytes());
        let ended = running.end();
        assert!(ended.code == Some(1) && ended.err.contains("21"), "{}", ended.err);
        let expected = (0..20)
            .map(|number| format!("t/{number} {qos}\n"))
            .collect::<Vec<_>>()
            .concat();
        assert_eq!(sub.end().text(), expected);
    }
}

#[test]
fn an_expected_message_is_0_and_none_in_time_is_1() {
    let broker = Broker::start();
    let expecting = broker.subscribe(&["-t", "t", "--expect", "^on$"]);
    for payload in ["off", "only", "on", "late"] {
        broker.publish(&["-t", "t", "-m", payload]);
    }
    let ended = expecting.end();
    assert_eq!((ended.code, ended.text()), (Some(0), "on\n"));
    let ended = broker.run("sub", &["-t", "t", "--expect", "x", "-W", "1"]);
    assert!(ended.code == Some(1) && ended.err.contains("\"x\""), "{}", ended.err);
    assert_eq!(run(&["sub", "-t", "t", "--expect", "("]).code, Some(1));
}

#[test]
fn what_is_recorded_is_replayed_in_order_and_in_time() {
    let broker = Broker::start();
    let folder = Folder::new("record");
    let file = folder.file("tape");
    let mut recording = broker.start_command("record", &[&file, "-t", "r/#", "-q", "2", "-C", "3", "-d"]);
    recording.prints("Subscribed");
    for (topic, payload, qos) in [("r/a", "1", "0"), ("r/b", "2", "1"), ("r/a", "3", "2")] {
        broker.publish(&["-t", topic, "-m", payload, "-q", qos]);
    }
    assert_eq!(recording.end().code, Some(0));
    let refused = broker.run("record", &[&file]);
    assert!(
        refused.code == Some(1) && refused.err.contains("--force"),
        "{}",
        refused.err
    );

    let sub = broker.subscribe(&["-t", "again/#", "-q", "2", "-C", "6", "-F", "%t %p %q"]);
    let played = broker.run(
        "replay",
        &[&file, "--topic-prefix", "again/", "--speed", "max", "--loop", "2"],
    );
    assert_eq!((played.code, &*played.err), (Some(0), ""));
    let once = "again/r/a 1 0\nagain/r/b 2 1\nagain/r/a 3 2\n";
    assert_eq!(sub.end().text(), format!("{once}{once}"));
}

#[test]
fn a_replay_keeps_the_pauses() {
    let broker = Broker::start();
    let mut replay = broker.start_command("replay", &["-", "--speed", "2"]);
    let began = std::time::Instant::now();
    replay.feed(b"{\"at\":0,\"topic\":\"t\"}\n\n{\"at\":0.6,\"topic\":\"t\"}\n");
    assert_eq!(replay.end().code, Some(0));
    assert!(began.elapsed() >= std::time::Duration::from_millis(300));
    let mut wrong = broker.start_command("replay", &["-"]);
    wrong.feed(b"{\"payload\":\"no topic\"}\n");
    let ended = wrong.end();
    assert!(ended.code == Some(1) && ended.err.contains("topic"), "{}", ended.err);
}

#[test]
fn without_a_terminal_the_tree_is_printed_at_the_end() {
    let broker = Broker::start();
    for (topic, payload) in [("a/b/c", "1"), ("a/b/d", "\x1b[2J"), ("e", "2")] {
        broker.publish(&["-t", topic, "-m", payload, "-r", "-q", "1"]);
    }
    let ended = broker.run("sub", &["-t", "#", "--tree", "-C", "3"]);
    let lines: Vec<_> = ended
        .text()
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(lines, ["a/", "b/", "c * 1", "d * \\x1b[2J", "e * 2"]);
    assert_eq!(ended.code, Some(0));
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = Folder::new("man");
    let made = run(&["man", &folder.file("man1")]);
    assert_eq!(made.code, Some(0), "{}", made.err);
    for (page, word) in [
        ("burgee.1", "burgee"),
        ("burgee-sub.1", "remove"),
        ("burgee-replay.1", "speed"),
    ] {
        let text = std::fs::read_to_string(folder.0.join("man1").join(page)).unwrap();
        assert!(
            text.starts_with(".ie") && text.contains(".TH") && text.contains(word),
            "{page}: {text}"
        );
    }
    assert!(run(&["man"]).text().contains(".TH"));
}

#[test]
fn retained_messages_are_removed_at_the_server() {
    let broker = Broker::start();
    for topic in ["r/a", "r/keep", "r/b"] {
        broker.publish(&["-t", topic, "-m", "x", "-r", "-q", "1"]);
    }
    let removed = broker.run(
        "sub",
        &["-t", "r/#", "-T", "r/keep", "--remove-retained", "-C", "2", "-N"],
    );
    assert_eq!((removed.code, removed.text()), (Some(0), "xx"));
    assert_eq!(
        broker.run("sub", &["-t", "r/#", "-F", "%t", "-C", "1"]).text(),
        "r/keep\n"
    );
}

#[test]
fn options_stand_in_a_file_and_the_command_line_goes_before_it() {
    let broker = Broker::start();
    let folder = Folder::new("options");
    let file = folder.file("options");
    std::fs::write(&file, "# of a test\n-t of file\n-m from the file\n\n-r\n").unwrap();
    broker.publish(&["-o", &file, "-q", "1"]);
    broker.publish(&["-o", &file, "-q", "1", "-t", "typed", "-m", "x"]);
    let ended = broker.run("sub", &["-t", "of file", "-t", "typed", "-v", "-C", "2"]);
    assert_eq!(ended.text(), "of file from the file\ntyped x\n");
    std::fs::write(&file, "\n--nonsense 1\n").unwrap();
    let wrong = run(&["pub", "-o", &file, "-t", "t", "-n"]);
    assert!(
        wrong.code == Some(1) && wrong.err.contains("options:2"),
        "{}",
        wrong.err
    );
}

#[test]
fn every_transport_is_reached() {
    let folder = Folder::new("transports");
    let socket = folder.file("s.sock");
    let unix = format!("unix://{socket}");
    let broker = Broker::start_with(&["--listen", &unix, "--listen", "ws://127.0.0.1:0/mqtt"]);
    let web = broker.more.iter().find(|url| url.starts_with("ws://")).unwrap();
    let sub = broker.subscribe(&["-t", "t", "-C", "4"]);
    let one = Running::start(&["pub", "--unix", &socket, "-t", "t", "-m", "1", "-q", "1"]).end();
    let two = Running::start(&["pub", "-L", &unix, "-t", "t", "-m", "2", "-q", "1"]).end();
    assert_eq!((one.code, two.code), (Some(0), Some(0)), "{}{}", one.err, two.err);
    broker.publish(&["-A", "127.0.0.1", "-t", "t", "-m", "3", "-q", "1"]);
    let four = Running::start(&["pub", "-L", web, "-t", "t", "-m", "4"]).end();
    assert_eq!(four.code, Some(0), "{}", four.err);
    assert_eq!(sub.end().text(), "1\n2\n3\n4\n");
    // What is wrong is said in words.
    let wrong = Running::start(&["pub", "-L", &web.replace("/mqtt", "/no"), "-t", "t", "-n"]).end();
    assert!(wrong.code == Some(1) && wrong.err.contains("--ws"), "{}", wrong.err);
    let wrong = broker.run("pub", &["--tls-use-os-certs", "-t", "t", "-n"]);
    assert!(wrong.code == Some(8) && wrong.err.contains("TLS"), "{}", wrong.err);
}
