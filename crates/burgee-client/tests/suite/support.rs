//! A server that follows its script: it sends bytes and looks at bytes, all written in hexadecimal.
//! Every wait is bounded, so a client that does not do its part fails the test instead of hanging it.

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use burgee_client::connection::{Connection, Messages};
use burgee_client::{Client, ConnectError, End, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

pub(crate) const CONNACK: &str = "20 02 00 00";
pub(crate) const RESUMED: &str = "20 02 01 00";

/// Waits, but not for ever.
pub(crate) async fn soon<T>(what: &str, future: impl IntoFuture<Output = T>) -> T {
    timeout(Duration::from_secs(20), future)
        .await
        .unwrap_or_else(|_| panic!("no end: {what}"))
}

/// Whether a future is ready now.
pub(crate) async fn is_ready<F: Future + Unpin>(future: &mut F) -> bool {
    tokio::select! { biased; _ = future => true, () = tokio::task::yield_now() => false }
}

pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    hex.split_whitespace()
        .map(|pair| u8::from_str_radix(pair, 16).expect(pair))
        .collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(" ")
}

pub(crate) struct Server(TcpListener);

impl Server {
    pub(crate) async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.expect("a port"))
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.local_addr().expect("bound").port()
    }

    /// Options for this server: client `c`, no keep alive.
    pub(crate) fn options(&self) -> Options {
        Options::new("127.0.0.1", self.port())
            .client_id("c")
            .keep_alive(0)
            .connect_timeout(Duration::from_secs(20))
    }

    pub(crate) async fn accept(&self) -> Peer {
        let (stream, _) = soon("a client connects", self.0.accept()).await.expect("accept");
        Peer(stream)
    }

    /// Answers one CONNECT with `connack`; gives what the client makes of it, the connection, and the CONNECT.
    pub(crate) async fn answer(
        &self,
        options: &Options,
        connack: &str,
    ) -> (Result<(Connection, Messages), ConnectError>, Peer, String) {
        let script = async {
            let mut peer = self.accept().await;
            let connect = peer.packet().await;
            peer.send(connack).await;
            (peer, connect)
        };
        let (client, (peer, connect)) = tokio::join!(Connection::connect(options), script);
        (client, peer, connect)
    }

    /// The next connection of a client, answered with `connack`.
    pub(crate) async fn greet(&self, connack: &str) -> Peer {
        let mut peer = self.accept().await;
        assert!(peer.packet().await.starts_with("10 "));
        peer.send(connack).await;
        peer
    }

    /// A client that looks after its connection, behind its first CONNACK.
    pub(crate) async fn client(&self, options: Options) -> (Client, Peer) {
        let (client, peer) = tokio::join!(Client::connect(options), self.greet(CONNACK));
        (client.expect("connected"), peer)
    }

    /// Options for a client that is back soon.
    pub(crate) fn quick(&self) -> Options {
        self.options()
            .backoff(Duration::from_millis(1), Duration::from_millis(5))
    }

    /// A client behind its CONNACK.
    pub(crate) async fn welcome(&self, options: &Options) -> (Connection, Messages, Peer) {
        let (client, peer, _) = self.answer(options, CONNACK).await;
        let (client, messages) = client.expect("connected");
        (client, messages, peer)
    }
}

/// A client behind its CONNACK, and its server.
pub(crate) async fn pair() -> (Connection, Messages, Peer) {
    let server = Server::start().await;
    server.welcome(&server.options()).await
}

/// The server's end of a connection.
pub(crate) struct Peer(TcpStream);

impl Peer {
    pub(crate) async fn send(&mut self, hex: &str) {
        self.send_bytes(&bytes(hex)).await;
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        soon("the client reads", self.0.write_all(bytes)).await.expect("write");
    }

    /// The next packet.
    pub(crate) async fn packet(&mut self) -> String {
        hex(&self.packet_bytes().await)
    }

    pub(crate) async fn packet_bytes(&mut self) -> Vec<u8> {
        self.read_packet().await.expect("a packet")
    }

    /// The next packet, if one comes before the end.
    pub(crate) async fn packet_or_end(&mut self) -> Option<String> {
        self.read_packet().await.ok().map(|packet| hex(&packet))
    }

    async fn read_packet(&mut self) -> std::io::Result<Vec<u8>> {
        let whole = async {
            let mut packet = vec![self.0.read_u8().await?];
            let (mut length, mut shift) = (0, 0);
            loop {
                let byte = self.0.read_u8().await?;
                packet.push(byte);
                length |= usize::from(byte & 127) << shift;
                shift += 7;
                if byte < 128 {
                    break;
                }
            }
            let body = packet.len();
            packet.resize(body + length, 0);
            self.0.read_exact(&mut packet[body..]).await?;
            Ok::<_, std::io::Error>(packet)
        };
        soon("a packet comes", whole).await
    }

    /// The next packets are these.
    pub(crate) async fn expect(&mut self, packets: &[&str]) {
        for packet in packets {
            assert_eq!(self.packet().await, *packet);
        }
    }

    /// Nothing comes but the end of the stream.
    pub(crate) async fn ended(&mut self) {
        let mut rest = Vec::new();
        // A reset is an end as well: we may have sent what nobody read.
        soon("the client closes", self.0.read_to_end(&mut rest)).await.ok();
        assert_eq!(hex(&rest), "");
    }

    /// The connection breaks.
    pub(crate) fn cut(self) {
        drop(self);
    }
}

/// The client leaves in order, and the server closes behind its DISCONNECT.
pub(crate) async fn leave<E: Debug>(disconnect: impl Future<Output = Result<(), E>>, mut peer: Peer) {
    let (done, ()) = tokio::join!(soon("the end", disconnect), async {
        peer.expect(&["E0 00"]).await;
        peer.ended().await;
        peer.cut();
    });
    done.expect("a clean end");
}

/// The server sends `hex`: the client closes without an answer, delivers nothing, and names `statement`.
pub(crate) async fn closes(hex: &str, statement: &str) {
    let (client, mut messages, mut peer) = pair().await;
    peer.send(hex).await;
    peer.ended().await;
    assert_eq!(soon("messages end", messages.next()).await, None, "{hex}");
    match client.ended().await {
        End::Violation(fault) => assert_eq!(fault.statement(), statement, "{hex}"),
        other => panic!("{hex}: {other}"),
    }
}

/// What the client asks for is refused before a byte is sent: the server sees only the end.
pub(crate) async fn sends_nothing<F: Future<Output = bool>>(refused: impl FnOnce(Connection) -> F) {
    let (client, _messages, peer) = pair().await;
    assert!(
        soon("the answer is immediate", refused(client.clone())).await,
        "this has to be refused"
    );
    leave(client.disconnect(), peer).await;
}
