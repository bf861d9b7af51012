//! A broker that keeps its data, in a directory of the test's own, and a client in bytes.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A directory that goes with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "burgee-durable-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Something in it.
    pub(crate) fn join(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// Names of what is in it.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// The command with these words.
pub(crate) fn burgee(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_burgee"));
    command.args(words).env_remove("BURGEE_DATA");
    command
}

/// Runs a command to its end.
pub(crate) fn run(words: &[&str]) -> Output {
    burgee(words).output().unwrap()
}

/// What it printed on standard error.
pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Options that every broker of these tests has.
pub(crate) fn serve<'a>(data: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let usual = ["serve", "--listen", "tcp://127.0.0.1:0", "--data", data];
    [&usual[..], more].concat()
}

/// A running broker; killed if a test fails before it ends.
pub(crate) struct Serving {
    child: Child,
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Serving {
    pub(crate) fn start(data: &str, more: &[&str]) -> Self {
        Self::of(burgee(&serve(data, more)))
    }

    pub(crate) fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (kept, mut stderr) = (Arc::clone(&log), child.stderr.take().unwrap());
        let reader = thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = stderr.read(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..count]);
                kept.lock().unwrap().push_str(&text);
            }
        });
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on tcp://");
        let address = address.unwrap_or_else(|| panic!("it does not listen: {}", log.lock().unwrap()));
        Self {
            address: address.parse().unwrap(),
            child,
            log,
            reader: Some(reader),
        }
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until this stands in its log.
    pub(crate) fn says(&self, wanted: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.log().contains(wanted) {
            assert!(Instant::now() < until, "{wanted:?} never came: {}", self.log());
            thread::yield_now();
        }
    }

    /// As if the power went: no handler runs.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and the end; the exit status and what was logged.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let sent = Command::new("kill")
            .args(["-s", "TERM", &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
        let status = self.child.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
        (status, self.log())
    }

    /// Ends in order and well.
    pub(crate) fn stop(self) {
        let (status, log) = self.end();
        assert!(status.success() && !log.contains("panicked"), "{log}");
    }

    pub(crate) fn raw(&self) -> Wire {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Wire(stream, VecDeque::new())
    }

    /// A client with a clean session.
    pub(crate) fn client(&self, id: &str) -> Wire {
        let mut wire = self.raw();
        wire.send(&connect(id, 2, &[]));
        wire.expect(&[0x20, 2, 0, 0]);
        wire
    }

    /// A client with a persistent session, which is there already or not.
    pub(crate) fn session(&self, id: &str, present: bool) -> Wire {
        let mut wire = self.raw();
        wire.send(&connect(id, 0, &[]));
        wire.expect(&[0x20, 2, u8::from(present), 0]);
        wire
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Already ended where the test went well.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn text(text: &str) -> Vec<u8> {
    [&u16::try_from(text.len()).unwrap().to_be_bytes()[..], text.as_bytes()].concat()
}

/// A packet: first byte, remaining length, the rest.
pub(crate) fn packet(first: u8, parts: &[&[u8]]) -> Vec<u8> {
    let rest = parts.concat();
    let (mut bytes, mut length) = (vec![first], rest.len());
    loop {
        let digit = u8::try_from(length % 128).unwrap();
        length /= 128;
        bytes.push(if length > 0 { digit | 0x80 } else { digit });
        if length == 0 {
            break;
        }
    }
    [bytes, rest].concat()
}

/// CONNECT with these flags; topic and message of a will behind the identifier.
pub(crate) fn connect(id: &str, flags: u8, will: &[&str]) -> Vec<u8> {
    let will: Vec<u8> = will.iter().flat_map(|part| text(part)).collect();
    packet(0x10, &[&text("MQTT"), &[4, flags, 0, 60], &text(id), &will])
}

/// PUBLISH of QoS 1 or 2, by the first byte.
pub(crate) fn publish(first: u8, topic: &str, id: u16, payload: &[u8]) -> Vec<u8> {
    packet(first, &[&text(topic), &id.to_be_bytes(), payload])
}

/// PUBLISH of QoS 0.
pub(crate) fn publish_0(first: u8, topic: &str, payload: &[u8]) -> Vec<u8> {
    packet(first, &[&text(topic), payload])
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP, by the first byte.
pub(crate) fn ack(first: u8, id: u16) -> [u8; 4] {
    let [high, low] = id.to_be_bytes();
    [first, 2, high, low]
}

/// A PUBLISH that came.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Message {
    pub(crate) first: u8,
    pub(crate) topic: String,
    pub(crate) id: u16,
    pub(crate) payload: String,
}

impl Message {
    fn parse(packet: &[u8]) -> Self {
        assert_eq!(packet[0] >> 4, 3, "{packet:02x?}");
        let topic = 3 + usize::from(u16::from_be_bytes([packet[1], packet[2]]));
        let payload = if packet[0] & 6 == 0 { topic } else { topic + 2 };
        let id = if payload > topic {
            u16::from_be_bytes([packet[topic], packet[topic + 1]])
        } else {
            0
        };
        Self {
            first: packet[0],
            topic: String::from_utf8(packet[3..topic].to_vec()).unwrap(),
            id,
            payload: String::from_utf8_lossy(&packet[payload..]).into_owned(),
        }
    }
}

/// A connection, and messages that came while something else was waited for.
pub(crate) struct Wire(TcpStream, VecDeque<Message>);

impl Wire {
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    pub(crate) fn expect(&mut self, bytes: &[u8]) {
        let mut got = vec![0; bytes.len()];
        self.0.read_exact(&mut got).unwrap();
        assert_eq!(got, bytes);
    }

    pub(crate) fn subscribe(&mut self, filter: &str, qos: u8) {
        self.send(&packet(0x82, &[&[0, 9], &text(filter), &[qos]]));
        self.expect(&[0x90, 3, 0, 9, qos]);
    }

    /// Publishes with QoS 1 and has it acknowledged.
    pub(crate) fn publish_1(&mut self, topic: &str, payload: &str) {
        self.send(&publish(0x32, topic, 7, payload.as_bytes()));
        self.expect(&ack(0x40, 7));
    }

    /// Publishes with QoS 2, whole handshake.
    pub(crate) fn publish_2(&mut self, topic: &str, payload: &str) {
        self.send(&publish(0x34, topic, 8, payload.as_bytes()));
        self.expect(&ack(0x50, 8));
        self.send(&ack(0x62, 8));
        self.expect(&ack(0x70, 8));
    }

    /// Answers come, hence everything before was taken in; and no message came that was not asked for.
    pub(crate) fn ping(&mut self) {
        self.send(&[0xC0, 0]);
        self.expect(&[0xD0, 0]);
        assert!(self.1.is_empty(), "{:?}", self.1);
    }

    /// DISCONNECT, and the end of the connection.
    pub(crate) fn leave(mut self) {
        self.send(&[0xE0, 0]);
        assert_eq!(self.0.read(&mut [0; 1]).unwrap(), 0);
    }

    /// The next packet without its length; `None` at the end of the connection.
    pub(crate) fn next(&mut self) -> Option<Vec<u8>> {
        let mut head = vec![0; 1];
        match self.0.read_exact(&mut head) {
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => return None,
            read => read.unwrap(),
        }
        let (mut length, mut shift) = (0, 0);
        loop {
            let mut digit = [0; 1];
            self.0.read_exact(&mut digit).unwrap();
            length |= usize::from(digit[0] & 127) << shift;
            shift += 7;
            if digit[0] < 128 {
                break;
            }
        }
        let mut rest = vec![0; length];
        self.0.read_exact(&mut rest).unwrap();
        Some([head, rest].concat())
    }

    /// So many messages, acknowledged to the end, in the order of their topics: each topic has its own.
    pub(crate) fn take_all(&mut self, count: usize) -> Vec<(String, u8, String)> {
        let mut taken: Vec<_> = (0..count).map(|_| self.take()).collect();
        taken.sort_by(|(a, ..), (b, ..)| a.cmp(b));
        taken
    }

    /// The next packet that is no PUBLISH; messages before it are kept.
    pub(crate) fn answer(&mut self) -> Vec<u8> {
        loop {
            let packet = self.next().unwrap();
            if packet[0] >> 4 != 3 {
                return packet;
            }
            self.1.push_back(Message::parse(&packet));
        }
    }

    /// The next message.
    pub(crate) fn message(&mut self) -> Message {
        self.1
            .pop_front()
            .unwrap_or_else(|| Message::parse(&self.next().unwrap()))
    }

    /// The next message, acknowledged to the end; its topic, QoS and payload.
    pub(crate) fn take(&mut self) -> (String, u8, String) {
        let message = self.message();
        let qos = message.first >> 1 & 3;
        match qos {
            1 => self.send(&ack(0x40, message.id)),
            2 => {
                self.send(&ack(0x50, message.id));
                let [high, low] = message.id.to_be_bytes();
                assert_eq!(self.answer(), [0x62, high, low]);
                self.send(&ack(0x70, message.id));
            }
            _ => {}
        }
        (message.topic, qos, message.payload)
    }
}
