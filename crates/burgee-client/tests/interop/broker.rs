//! A broker of either kind, with its own folder, ports and certificates.
//!
//! What must hold: it listens when `start` returns; it is ended by its own process and never by name; a second start has the
//! same ports and the same folder.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use burgee_client::{Client, Options, Received, Subscription};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);

/// Waits, but not for ever.
pub(crate) async fn soon<T>(what: &str, future: impl IntoFuture<Output = T>) -> T {
    timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("no end: {what}"))
}

/// The next message of a stream.
pub(crate) async fn next(stream: &mut Subscription) -> Received {
    soon("a message comes", stream.next()).await.expect("no end")
}

/// The next payload of a stream.
pub(crate) async fn text(stream: &mut Subscription) -> String {
    next(stream).await.text().expect("text").to_owned()
}

pub(crate) async fn connect(options: Options) -> Client {
    soon("connected", Box::pin(Client::connect(options))).await.unwrap()
}

pub(crate) async fn leave(client: Client) {
    soon("the end", client.disconnect()).await.unwrap();
}

#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Mosquitto,
    Burgee,
}

impl Kind {
    /// The numbers have come, each once. Debian's Mosquitto (2.0.11) lets what comes overtake what waits behind a full window;
    /// of burgee the order is asked for as well.
    pub(crate) fn has_all(self, mut numbers: Vec<usize>, count: usize) {
        if self == Self::Mosquitto {
            numbers.sort_unstable();
        }
        assert_eq!(numbers, (0..count).collect::<Vec<_>>(), "each once");
    }

    /// The same where the broker was ended meanwhile. Debian's Mosquitto may forget that it sent PUBREL, and then sends the
    /// PUBLISH again: a client that has dropped the identifier cannot know. No more than its window can come so.
    pub(crate) fn has_all_after(self, restarts: usize, mut numbers: Vec<usize>, count: usize) {
        if self == Self::Mosquitto {
            const WINDOW: usize = 20;
            let came = numbers.len();
            numbers.sort_unstable();
            numbers.dedup();
            let again = came - numbers.len();
            assert!(again <= restarts * WINDOW, "{again} of {count} came twice");
        }
        self.has_all(numbers, count);
    }
}

#[derive(Copy, Clone, Debug, Default)]
struct Ports {
    tcp: u16,
    tls: u16,
    ws: u16,
    wss: u16,
}

pub(crate) struct Broker {
    kind: Kind,
    child: Child,
    ports: Ports,
    folder: PathBuf,
    authority: String,
}

impl Broker {
    pub(crate) fn start(kind: Kind) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("burgee-interop-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (authority, certificate, key) = certificates("ours");
        fs::write(folder.join("certificate.pem"), certificate).unwrap();
        fs::write(folder.join("key.pem"), key).unwrap();
        for _ in 0..10 {
            let ports = match kind {
                Kind::Mosquitto => Ports::free(),
                // It chooses for itself.
                Kind::Burgee => Ports::default(),
            };
            if let Some((child, ports)) = spawn(kind, &folder, ports) {
                return Self {
                    kind,
                    child,
                    ports,
                    folder,
                    authority,
                };
            }
            // Somebody else took a port between its choice and its use.
        }
        panic!("{kind:?} does not start");
    }

    /// Ends it and starts it again. Burgee is killed; Mosquitto writes its sessions down when it is asked to end.
    pub(crate) fn restart(&mut self) {
        self.end();
        let started = spawn(self.kind, &self.folder, self.ports);
        (self.child, _) = started.expect("it starts on the ports that it had");
    }

    fn end(&mut self) {
        if self.kind == Kind::Mosquitto {
            let id = self.child.id().to_string();
            let told = Command::new("kill").args(["-s", "TERM", &id]).status();
            assert!(told.unwrap().success());
        } else {
            self.child.kill().unwrap();
        }
        self.child.wait().unwrap();
    }

    /// Options for a client that is back soon.
    pub(crate) fn options(&self, client_id: &str) -> Options {
        quick(Options::new("127.0.0.1", self.ports.tcp), client_id)
    }

    /// The same over TLS; whom to believe is left open.
    pub(crate) fn options_tls(&self, client_id: &str) -> Options {
        quick(Options::new("localhost", self.ports.tls), client_id)
    }

    /// The same over WebSocket, in the clear or not.
    pub(crate) fn options_ws(&self, client_id: &str, secure: bool) -> Options {
        let port = if secure { self.ports.wss } else { self.ports.ws };
        quick(Options::new("localhost", port).web_socket("/mqtt"), client_id)
    }

    pub(crate) const fn port(&self) -> u16 {
        self.ports.tcp
    }

    /// A place for files that goes with the broker.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The authority of its certificate, in PEM.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        fs::remove_dir_all(&self.folder).ok();
    }
}

fn quick(options: Options, client_id: &str) -> Options {
    options
        .client_id(client_id)
        .connect_timeout(PATIENCE)
        .backoff(Duration::from_millis(5), Duration::from_millis(50))
}

impl Ports {
    fn free() -> Self {
        // Held until all are chosen, so that they differ.
        let held = [0; 4].map(|port| TcpListener::bind(("127.0.0.1", port)).unwrap());
        let [tcp, tls, ws, wss] = held.each_ref().map(|one| one.local_addr().unwrap().port());
        Self { tcp, tls, ws, wss }
    }
}

/// An authority, and a certificate for this host with its key; all in PEM.
pub(crate) fn certificates(authority: &str) -> (String, String, String) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, authority);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    (authority.pem(), certificate.pem(), key.serialize_pem())
}

/// A process that listens, and where; `None` if it ended before.
fn spawn(kind: Kind, folder: &Path, ports: Ports) -> Option<(Child, Ports)> {
    let mut child = match kind {
        Kind::Mosquitto => mosquitto(folder, ports),
        Kind::Burgee => burgee(folder, ports),
    };
    let lines = match kind {
        Kind::Mosquitto => lines(child.stderr.take().unwrap()),
        Kind::Burgee => lines(child.stdout.take().unwrap()),
    };
    let Some(ports) = ready(kind, &lines, ports) else {
        child.kill().ok();
        child.wait().unwrap();
        return None;
    };
    Some((child, ports))
}

fn mosquitto(folder: &Path, ports: Ports) -> Child {
    let file = folder.join("mosquitto.conf");
    let at = folder.display();
    let Ports { tcp, tls, ws, wss } = ports;
    let certificate = format!("certfile {at}/certificate.pem\nkeyfile {at}/key.pem\n");
    let settings = format!(
        "user root\nallow_anonymous true\nlog_dest stderr\npersistence true\npersistence_location {at}/\n\
         max_queued_messages 0\nlistener {tcp} 127.0.0.1\nlistener {tls} 127.0.0.1\n{certificate}\
         listener {ws} 127.0.0.1\nprotocol websockets\n\
         listener {wss} 127.0.0.1\nprotocol websockets\n{certificate}"
    );
    fs::write(&file, settings).unwrap();
    let program = std::env::var_os("MOSQUITTO_BIN").unwrap_or_else(|| "/usr/sbin/mosquitto".into());
    Command::new(program)
        .arg("-c")
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("mosquitto: scripts/setup installs it")
}

fn burgee(folder: &Path, ports: Ports) -> Child {
    let program = std::env::var_os("BURGEE_BIN").expect("BURGEE_BIN names the program: scripts/client-interop sets it");
    let Ports { tcp, tls, ws, wss } = ports;
    let mut command = Command::new(program);
    command
        .args(["serve", "--shards", "2", "--data"])
        .arg(folder.join("data"));
    command.arg("--tls-cert").arg(folder.join("certificate.pem"));
    command.arg("--tls-key").arg(folder.join("key.pem"));
    for url in [
        format!("tcp://127.0.0.1:{tcp}"),
        format!("mqtts://127.0.0.1:{tls}"),
        format!("ws://127.0.0.1:{ws}/mqtt"),
        format!("wss://127.0.0.1:{wss}/mqtt"),
    ] {
        command.args(["--listen", &url]);
    }
    let log = fs::File::create(folder.join("log")).unwrap();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    command.spawn().expect("burgee")
}

/// What a process says, line by line, to its end.
fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (give, lines) = channel();
    thread::spawn(move || {
        // Read to the end, listened to or not: a full pipe would stop the broker.
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            give.send(line).ok();
        }
    });
    lines
}

/// Waits until it says that it listens.
fn ready(kind: Kind, lines: &Receiver<String>, mut ports: Ports) -> Option<Ports> {
    let mut missing = if kind == Kind::Burgee { 4 } else { 1 };
    while missing > 0 {
        let line = lines.recv_timeout(PATIENCE).ok()?;
        if kind == Kind::Mosquitto {
            missing -= u32::from(line.ends_with(" running"));
        } else if let Some((scheme, place)) = line.strip_prefix("listening on ").and_then(|url| url.split_once("://")) {
            let port = place.trim_end_matches("/mqtt").rsplit_once(':')?.1.parse().ok()?;
            match scheme {
                "tcp" => ports.tcp = port,
                "mqtts" => ports.tls = port,
                "ws" => ports.ws = port,
                _ => ports.wss = port,
            }
            missing -= 1;
        }
    }
    Some(ports)
}
