//! A TLS client for tests: rustls, as a blocking stream.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion, version};

use super::certificates::{Authority, Signed};
use super::{PATIENCE, connect_packet, subscribe_packet};

pub(crate) const BOTH: [&SupportedProtocolVersion; 2] = [&version::TLS12, &version::TLS13];

/// What a client knows and shows.
pub(crate) fn config(
    authority: &Authority,
    version: &'static SupportedProtocolVersion,
    shows: Option<&Signed>,
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap())
        .unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots);
    Arc::new(match shows {
        None => builder.with_no_client_auth(),
        Some(signed) => {
            let chain = vec![CertificateDer::from_pem_slice(signed.chain.as_bytes()).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(signed.key.as_bytes()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    })
}

pub(crate) struct Secure(pub(crate) StreamOwned<ClientConnection, TcpStream>);

impl Secure {
    /// Connects and shakes hands.
    pub(crate) fn try_new(address: SocketAddr, config: &Arc<ClientConfig>, name: &str) -> std::io::Result<Self> {
        let mut tcp = TcpStream::connect(address)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        tcp.set_write_timeout(Some(PATIENCE))?;
        tcp.set_nodelay(true)?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut conn = ClientConnection::new(Arc::clone(config), name).unwrap();
        while conn.is_handshaking() {
            conn.complete_io(&mut tcp)?;
        }
        Ok(Self(StreamOwned::new(conn, tcp)))
    }

    pub(crate) fn new(address: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        Self::try_new(address, config, "localhost").unwrap()
    }

    /// Whether it gets in. With TLS 1.3 a refusal comes only after the handshake, for the client.
    pub(crate) fn gets_in(address: SocketAddr, config: &Arc<ClientConfig>, client_id: &str) -> bool {
        let Ok(mut client) = Self::try_new(address, config, "localhost") else {
            return false;
        };
        if client.0.write_all(&connect_packet(client_id, true)).is_err() {
            return false;
        }
        let mut got = [0; 4];
        client.0.read_exact(&mut got).is_ok() && got == [0x20, 2, 0, 0]
    }

    pub(crate) fn connect(address: SocketAddr, config: &Arc<ClientConfig>, client_id: &str) -> Self {
        let mut client = Self::new(address, config);
        client.send(&connect_packet(client_id, true));
        client.expect(&[0x20, 2, 0, 0]);
        client
    }

    pub(crate) fn subscribed(address: SocketAddr, config: &Arc<ClientConfig>, client_id: &str, filter: &str) -> Self {
        let mut client = Self::connect(address, config, client_id);
        client.send(&subscribe_packet(filter, 0));
        client.expect(&[0x90, 3, 0, 1, 0]);
        client
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
        self.0.flush().unwrap();
    }

    pub(crate) fn expect(&mut self, bytes: &[u8]) {
        let mut got = vec![0; bytes.len()];
        self.0.read_exact(&mut got).unwrap();
        assert!(
            got == bytes,
            "{:02x?} instead of {:02x?}",
            &got[..got.len().min(40)],
            &bytes[..bytes.len().min(40)]
        );
    }

    pub(crate) fn ping(&mut self) {
        self.send(&[0xC0, 0]);
        self.expect(&[0xD0, 0]);
    }

    /// Reads to the end. True: it was said in TLS that this is the end.
    pub(crate) fn ends_in_order(mut self) -> bool {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(_) => true,
            Err(error) => {
                let cut = matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset);
                assert!(cut || error.kind() == ErrorKind::InvalidData, "{error}");
                false
            }
        }
    }
}
