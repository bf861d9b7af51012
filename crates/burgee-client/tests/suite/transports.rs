//! Ways to the server: TLS, WebSocket, Unix sockets, proxies; and what is said when one of them fails.

use std::sync::Arc;
use std::time::Duration;

use burgee_client::connection::Connection;
use burgee_client::{ConnectError, Options, QoS, Tls, TlsFault, TlsVersion};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair, date_time_ymd,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tungstenite::handshake::derive_accept_key;

use super::support::soon;

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// Certificate and key in PEM; valid until the end of this year.
    fn issue(&self, name: &str, last_year: i32) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = date_time_ymd(last_year, 12, 31);
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

fn acceptor((certificate, key): &(String, String), clients: Option<&Authority>) -> TlsAcceptor {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots
                .add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap())
                .unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()))
}

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn options(port: u16) -> Options {
    Options::new("localhost", port)
        .client_id("c")
        .keep_alive(0)
        .connect_timeout(Duration::from_secs(20))
}

/// Welcomes the client, takes one publish of QoS 1 and DISCONNECT.
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut connect = [0; 15];
    stream.read_exact(&mut connect).await.unwrap();
    assert_eq!(connect[0], 0x10);
    stream.write_all(&[0x20, 2, 0, 0]).await.unwrap();
    stream.flush().await.unwrap();
    let mut publish = [0; 4];
    stream.read_exact(&mut publish).await.unwrap();
    assert_eq!(publish[0], 0x32);
    // Long enough to need more than one record, frame and write.
    let mut rest = vec![0; PAYLOAD + 5];
    stream.read_exact(&mut rest).await.unwrap();
    stream.write_all(&[0x40, 2, 0, 1]).await.unwrap();
    stream.flush().await.unwrap();
    let mut end = [0; 2];
    stream.read_exact(&mut end).await.unwrap();
    assert_eq!(end, [0xE0, 0]);
    // The client's own end of TLS or WebSocket; how it comes does not matter.
    stream.read_to_end(&mut Vec::new()).await.ok();
}

const PAYLOAD: usize = 200_000;

async fn talk(options: &Options) {
    let (client, _messages) = soon("connected", Connection::connect(options)).await.unwrap();
    let receipt = client
        .publish("t", vec![7; PAYLOAD], QoS::AtLeastOnce, false)
        .await
        .unwrap();
    soon("PUBACK", receipt).await.unwrap();
    soon("the end", client.disconnect()).await.unwrap();
}

async fn talk_tls(acceptor: TlsAcceptor, tls: impl FnOnce(Tls) -> Tls) {
    let (listener, port) = listener().await;
    let options = options(port).tls(tls(Tls::new()));
    tokio::join!(talk(&options), async {
        let (stream, _) = soon("a client", listener.accept()).await.unwrap();
        serve(soon("TLS", acceptor.accept(stream)).await.unwrap()).await;
    });
}

async fn tls_fails(acceptor: TlsAcceptor, tls: impl FnOnce(Tls) -> Tls) -> TlsFault {
    let (listener, port) = listener().await;
    let options = options(port).tls(tls(Tls::new()));
    let (failed, ()) = tokio::join!(soon("it fails", Connection::connect(&options)), async {
        let (stream, _) = soon("a client", listener.accept()).await.unwrap();
        if let Ok(mut stream) = soon("TLS or not", acceptor.accept(stream)).await {
            stream.read_to_end(&mut Vec::new()).await.ok();
        }
    });
    match failed.map(drop) {
        Err(ConnectError::Tls(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn tls_believes_a_given_authority() {
    let ours = Authority::new("ours");
    let identity = ours.issue("localhost", 2100);
    talk_tls(acceptor(&identity, None), |tls| tls.ca_pem(ours.pem())).await;
    // A directory of authorities, and the name that is asked for instead of the host's.
    let directory = std::env::temp_dir().join(format!("burgee-ca-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("ca.pem"), ours.pem()).unwrap();
    std::fs::write(directory.join("README"), "no certificate").unwrap();
    let other = ours.issue("other.example", 2100);
    talk_tls(acceptor(&other, None), |tls| {
        tls.ca_path(&directory).server_name("other.example")
    })
    .await;
    let file = directory.join("ca.pem");
    talk_tls(acceptor(&identity, None), |tls| {
        tls.ca_file(file).versions(TlsVersion::Tls12, TlsVersion::Tls12)
    })
    .await;
    std::fs::remove_dir_all(directory).unwrap();
}

#[tokio::test]
async fn tls_says_what_is_wrong_with_a_certificate() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let good = acceptor(&ours.issue("localhost", 2100), None);
    let ca = ours.pem();
    assert_eq!(
        tls_fails(good.clone(), |tls| tls.ca_pem(theirs.pem())).await,
        TlsFault::UnknownAuthority
    );
    assert_eq!(tls_fails(good, Tls::system_roots).await, TlsFault::UnknownAuthority);
    let expired = acceptor(&ours.issue("localhost", 2001), None);
    assert_eq!(tls_fails(expired, |tls| tls.ca_pem(&ca)).await, TlsFault::Expired);
    let other = acceptor(&ours.issue("other.example", 2100), None);
    let wrong = tls_fails(other, |tls| tls.ca_pem(&ca)).await;
    assert_eq!(wrong, TlsFault::WrongName("localhost".to_owned()));
    assert_eq!(
        wrong.to_string(),
        "the server's certificate is not for the name \"localhost\""
    );
}

#[tokio::test]
async fn the_insecure_switches_do_what_their_names_say() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let other = acceptor(&ours.issue("other.example", 2001), None);
    // The name alone is not looked at: the date is.
    let fault = tls_fails(other.clone(), |tls| tls.ca_pem(ours.pem()).insecure_name()).await;
    assert_eq!(fault, TlsFault::Expired);
    let fault = tls_fails(other.clone(), |tls| tls.ca_pem(theirs.pem()).insecure_name()).await;
    assert!(
        matches!(fault, TlsFault::UnknownAuthority | TlsFault::Expired),
        "{fault:?}"
    );
    talk_tls(other, |tls| tls.ca_pem(theirs.pem()).insecure()).await;
    let other = acceptor(&ours.issue("other.example", 2100), None);
    talk_tls(other, |tls| tls.ca_pem(ours.pem()).insecure_name()).await;
}

#[tokio::test]
async fn a_client_certificate_is_shown() {
    let ours = Authority::new("ours");
    let server = acceptor(&ours.issue("localhost", 2100), Some(&ours));
    let (certificate, key) = ours.issue("sensor-7", 2100);
    talk_tls(server.clone(), |tls| {
        tls.ca_pem(ours.pem()).identity_pem(certificate, key)
    })
    .await;
    let fault = tls_fails(server, |tls| tls.ca_pem(ours.pem())).await;
    assert!(matches!(fault, TlsFault::OurCertificate(_)), "{fault:?}");
}

#[tokio::test]
async fn a_server_without_tls_is_told_apart() {
    let (listener, port) = listener().await;
    let options = options(port).tls(Tls::new());
    let (failed, ()) = tokio::join!(soon("it fails", Connection::connect(&options)), async {
        let (mut stream, _) = soon("a client", listener.accept()).await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.ok();
    });
    assert!(
        matches!(failed, Err(ConnectError::Tls(TlsFault::NoTls))),
        "{:?}",
        failed.map(drop)
    );
}

/// The request for an upgrade, up to its empty line.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon("the request", stream.read_u8()).await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

fn header<'a>(request: &'a str, name: &str) -> &'a str {
    let line = request
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("{name} in {request}"))
}

/// Takes masked frames apart and puts what it sends into frames.
async fn web_server(mut stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let request = request(&mut stream).await;
    assert!(request.starts_with("GET /mqtt HTTP/1.1\r\n"), "{request}");
    assert_eq!(header(&request, "Sec-WebSocket-Protocol"), "mqtt");
    let accept = derive_accept_key(header(&request, "Sec-WebSocket-Key").as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\
         Sec-WebSocket-Protocol: mqtt\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
    let (near, far) = tokio::io::duplex(1 << 20);
    let (mut from, mut to) = tokio::io::split(stream);
    let (mut plain_out, mut plain_in) = tokio::io::split(near);
    let frames = async move {
        // Every byte in a frame of its own, and a ping before each.
        while let Ok(byte) = plain_out.read_u8().await {
            to.write_all(&[0x89, 0, 0x82, 1, byte]).await.unwrap();
            to.flush().await.unwrap();
        }
    };
    let payload = async move {
        while let Ok(kind) = from.read_u8().await {
            let mut length = u64::from(from.read_u8().await.unwrap() & 127);
            if length == 126 {
                length = u64::from(from.read_u16().await.unwrap());
            } else if length == 127 {
                length = from.read_u64().await.unwrap();
            }
            let mut mask = [0; 4];
            from.read_exact(&mut mask).await.unwrap();
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            from.read_exact(&mut payload).await.unwrap();
            payload
                .iter_mut()
                .zip(mask.iter().cycle())
                .for_each(|(byte, mask)| *byte ^= mask);
            match kind {
                0x82 => plain_in.write_all(&payload).await.unwrap(),
                0x8A => {}
                0x88 => break,
                other => panic!("frame {other:x}"),
            }
        }
        plain_in.shutdown().await.unwrap();
    };
    tokio::select! {
        ((), ()) = async { tokio::join!(payload, serve(far)) } => {}
        () = frames => {}
    }
}

#[tokio::test]
async fn mqtt_6_0_0_3_websocket_client_offers_mqtt() {
    let (listener, port) = listener().await;
    let options = Options::from_url(&format!("ws://localhost:{port}"))
        .unwrap()
        .client_id("c")
        .keep_alive(0);
    tokio::join!(talk(&options), async {
        let (stream, _) = soon("a client", listener.accept()).await.unwrap();
        web_server(stream).await;
    });
}

#[tokio::test]
async fn mqtt_6_0_0_2_websocket_frames_need_not_align() {
    // The server of this test sends every byte in a frame of its own, and takes our frames as a stream.
    let (listener, port) = listener().await;
    let options = options(port).web_socket("/mqtt");
    tokio::join!(talk(&options), async {
        let (stream, _) = soon("a client", listener.accept()).await.unwrap();
        web_server(stream).await;
    });
}

/// An upgrade that selects `protocol`, and `behind` in one piece with it.
async fn upgrade_with(protocol: &str, behind: &[u8]) -> ConnectError {
    let (listener, port) = listener().await;
    let options = options(port).web_socket("/mqtt");
    let (failed, ()) = tokio::join!(soon("it fails", Connection::connect(&options)), async {
        let (mut stream, _) = soon("a client", listener.accept()).await.unwrap();
        let request = request(&mut stream).await;
        let accept = derive_accept_key(header(&request, "Sec-WebSocket-Key").as_bytes());
        let answer = format!(
            "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n{protocol}\r\n"
        );
        stream.write_all(&[answer.as_bytes(), behind].concat()).await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.ok();
    });
    failed.map(drop).unwrap_err()
}

#[tokio::test]
async fn mqtt_6_0_0_1_websocket_binary_frames_only() {
    // CONNACK in a text frame.
    let error = upgrade_with("Sec-WebSocket-Protocol: mqtt\r\n", b"\x81\x04\x20\x02\x00\x00").await;
    assert!(error.to_string().contains("not binary"), "{error}");
}

#[tokio::test]
async fn mqtt_6_0_0_4_websocket_server_selects_mqtt() {
    for protocol in ["", "Sec-WebSocket-Protocol: mqttv3.1\r\n"] {
        let error = upgrade_with(protocol, b"").await;
        assert!(error.to_string().contains("sub-protocol mqtt"), "{error}");
    }
}

#[tokio::test]
async fn wss_is_web_socket_in_tls() {
    let ours = Authority::new("ours");
    let server = acceptor(&ours.issue("localhost", 2100), None);
    let (listener, port) = listener().await;
    let options = Options::from_url(&format!("wss://localhost:{port}/mqtt"))
        .unwrap()
        .client_id("c")
        .keep_alive(0);
    let options = options.tls(Tls::new().ca_pem(ours.pem()));
    tokio::join!(talk(&options), async {
        let (stream, _) = soon("a client", listener.accept()).await.unwrap();
        web_server(soon("TLS", server.accept(stream)).await.unwrap()).await;
    });
}

#[tokio::test]
async fn a_refused_upgrade_says_its_status() {
    for (answer, text) in [
        (
            "HTTP/1.1 404 Not Found\r\n\r\n",
            "refuses a WebSocket at this path: 404 Not Found",
        ),
        (
            "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n",
            "not that of a WebSocket server",
        ),
        ("\u{0}\u{0}", "does not answer as a web server"),
    ] {
        let (listener, port) = listener().await;
        let options = options(port).web_socket("/mqtt");
        let (failed, ()) = tokio::join!(soon("it fails", Connection::connect(&options)), async {
            let (mut stream, _) = soon("a client", listener.accept()).await.unwrap();
            request(&mut stream).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let error = failed.map(drop).unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_is_a_server_too() {
    let path = std::env::temp_dir().join(format!("burgee-client-{}.sock", std::process::id()));
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let options = Options::from_url(&format!("unix://{}", path.display()))
        .unwrap()
        .client_id("c")
        .keep_alive(0);
    tokio::join!(talk(&options), async {
        let (stream, _) = soon("a client", listener.accept()).await.unwrap();
        serve(stream).await;
    });
    std::fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn an_http_proxy_is_asked_to_connect() {
    let (listener, port) = listener().await;
    let options = Options::new("broker.example", 1883).client_id("c").keep_alive(0);
    let options = options.proxy(&format!("http://user:pw@127.0.0.1:{port}")).unwrap();
    tokio::join!(talk(&options), async {
        let (mut stream, _) = soon("a client", listener.accept()).await.unwrap();
        let request = request(&mut stream).await;
        assert!(
            request.starts_with("CONNECT broker.example:1883 HTTP/1.1\r\n"),
            "{request}"
        );
        assert_eq!(header(&request, "Proxy-Authorization"), "Basic dXNlcjpwdw==");
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        serve(stream).await;
    });
    let (failed, ()) = tokio::join!(soon("it fails", Connection::connect(&options)), async {
        let (mut stream, _) = soon("a client", listener.accept()).await.unwrap();
        request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await.unwrap();
    });
    let error = failed.map(drop).unwrap_err().to_string();
    assert!(error.contains("proxy") && error.contains("502 Bad Gateway"), "{error}");
}

#[tokio::test]
async fn a_socks_proxy_resolves_the_name() {
    let (listener, port) = listener().await;
    let options = Options::new("broker.example", 1883).client_id("c").keep_alive(0);
    let options = options.proxy(&format!("socks5h://user:pw@127.0.0.1:{port}")).unwrap();
    let expected = b"\x05\x02\x00\x02\x01\x04user\x02pw\x05\x01\x00\x03\x0ebroker.example\x07\x5b";
    let answers: [(usize, &[u8]); 3] = [(4, &[5, 2]), (9, &[1, 0]), (21, &[5, 0, 0, 1, 127, 0, 0, 1, 0, 1])];
    tokio::join!(talk(&options), async {
        let (mut stream, _) = soon("a client", listener.accept()).await.unwrap();
        let mut asked = Vec::new();
        for (count, answer) in answers {
            let mut piece = vec![0; count];
            soon("its part", stream.read_exact(&mut piece)).await.unwrap();
            asked.extend(piece);
            stream.write_all(answer).await.unwrap();
        }
        assert_eq!(asked, expected);
        serve(stream).await;
    });
}

#[tokio::test]
async fn the_address_to_come_from_can_be_chosen() {
    let (listener, port) = listener().await;
    let options = Options::new("127.0.0.1", port)
        .client_id("c")
        .keep_alive(0)
        .bind("127.0.0.1");
    tokio::join!(talk(&options), async {
        let (stream, peer) = soon("a client", listener.accept()).await.unwrap();
        assert!(peer.ip().is_loopback());
        serve(stream).await;
    });
    // An address that is nobody's here.
    let failed = soon("it fails", Connection::connect(&options.bind("192.0.2.1"))).await;
    assert!(
        matches!(failed, Err(ConnectError::Unreachable { .. })),
        "{:?}",
        failed.map(drop)
    );
}
