//! A client of rustls against our side, and the same client's bytes spoilt in many ways.

use std::io::{Read, Write};
use std::path::PathBuf;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion, version};

use super::*;
use crate::tls::{CertificateFiles, TlsSettings};

/// A context, and what a client needs to trust it.
fn made(name: &str) -> (TlsContext, Arc<RootCertStore>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let place = std::env::temp_dir().join(format!("burgee-records-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&place).unwrap();
    let (chain, key): (PathBuf, PathBuf) = (place.join("chain"), place.join("key"));
    std::fs::write(&chain, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let settings = TlsSettings {
        certificates: vec![CertificateFiles { chain, key }],
        ..TlsSettings::default()
    };
    let context = TlsContext::load(&settings).unwrap();
    std::fs::remove_dir_all(&place).unwrap();
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(made.cert.pem().as_bytes()).unwrap())
        .unwrap();
    (context, Arc::new(roots))
}

/// Our side with what it keeps, and the client.
struct Pair {
    client: ClientConnection,
    server: Tls,
    kept: Vec<u8>,
    plain: Vec<u8>,
    /// What came to the client.
    got: Vec<u8>,
    error: Option<Error>,
}

impl Pair {
    fn new(context: &TlsContext, roots: &Arc<RootCertStore>, version: &'static SupportedProtocolVersion) -> Self {
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(Arc::clone(roots))
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        Self {
            client: ClientConnection::new(Arc::new(config), name).unwrap(),
            server: Tls::new(context).unwrap(),
            kept: Vec::new(),
            plain: Vec::new(),
            got: Vec::new(),
            error: None,
        }
    }

    /// The client's bytes to us, changed on their way, in pieces; what we answer goes back.
    fn pass(&mut self, change: &mut impl FnMut(&mut Vec<u8>), piece: usize) {
        let mut bytes = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut bytes).unwrap();
        }
        change(&mut bytes);
        for part in bytes.chunks(piece) {
            if self.error.is_some() {
                return;
            }
            self.kept.extend_from_slice(part);
            let mut out = Vec::new();
            let taken = self.server.receive(&mut self.kept, &mut self.plain, &mut out);
            self.kept.drain(..taken.used);
            self.error = taken.error;
            self.answer(&out);
        }
    }

    fn answer(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = self.client.read_tls(&mut bytes).is_ok_and(|count| count > 0);
            if !taken || self.client.process_new_packets().is_err() {
                return;
            }
            // What it does not hold yet is no error, and its end is told by nothing.
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = self.client.reader().read(&mut piece) {
                self.got.extend_from_slice(&piece[..count]);
            }
        }
    }

    fn shake(&mut self, piece: usize) {
        for _ in 0..10 {
            self.pass(&mut |_| {}, piece);
        }
        assert!(
            self.server.is_open() && !self.client.is_handshaking(),
            "{:?}",
            self.error
        );
    }
}

const BOTH: [&SupportedProtocolVersion; 2] = [&version::TLS12, &version::TLS13];

#[test]
fn bytes_pass_whole_in_pieces_of_any_size_and_nothing_is_kept() {
    let (context, roots) = made("pieces");
    for version in BOTH {
        for piece in [1, 7, 1000, 1 << 20] {
            let mut pair = Pair::new(&context, &roots, version);
            pair.shake(piece);
            let data: Vec<u8> = (0..=250).cycle().take(50_000).collect();
            pair.client.writer().write_all(&data).unwrap();
            pair.pass(&mut |_| {}, piece);
            assert!(pair.plain == data && pair.kept.is_empty());
            let mut out = Vec::new();
            assert!(pair.server.seal(&mut pair.kept, &data, &mut out));
            assert!(out.len() < data.len() + 4 * OVERHEAD);
            pair.answer(&out);
            assert!(pair.got == data);
            pair.client.send_close_notify();
            pair.pass(&mut |_| {}, piece);
            assert!(pair.server.is_closed() && pair.error.is_none());
            let mut out = Vec::new();
            pair.server.goodbye(&mut pair.kept, &mut out);
            pair.answer(&out);
            assert!(pair.client.reader().read(&mut [0]).is_ok_and(|count| count == 0));
        }
    }
}

#[test]
fn keys_are_renewed_on_both_sides() {
    let (context, roots) = made("keys");
    let mut pair = Pair::new(&context, &roots, &version::TLS13);
    pair.shake(1 << 20);
    for round in 0..20_u8 {
        pair.client.refresh_traffic_keys().unwrap();
        pair.client.writer().write_all(&[round]).unwrap();
        pair.pass(&mut |_| {}, 3);
        let mut out = Vec::new();
        assert!(pair.server.seal(&mut pair.kept, &[round], &mut out));
        pair.answer(&out);
        assert_eq!((pair.got.last(), pair.plain.last()), (Some(&round), Some(&round)));
    }
}

/// Small numbers that differ.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end.max(1)
    }

    fn spoil(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(3) {
            if bytes.is_empty() {
                return;
            }
            let at = self.below(bytes.len());
            match self.below(6) {
                0 => bytes[at] ^= 1 << self.below(8),
                1 => bytes[at] = [0, 1, 2, 0x14, 0x15, 0x16, 0x17, 0x7F, 0xFF][self.below(9)],
                2 => bytes.truncate(at),
                3 => {
                    let again = bytes[at..].to_vec();
                    bytes.extend(again);
                }
                4 => drop(bytes.drain(at..(at + 1 + self.below(20)).min(bytes.len()))),
                _ => {
                    let kind = 0x14 + u8::try_from(self.below(5)).unwrap();
                    bytes.splice(at..at, [kind, 3, 3, 0, 2, 1, 0]);
                }
            }
        }
    }
}

#[test]
fn spoilt_bytes_are_errors_and_never_more() {
    let (context, roots) = made("spoilt");
    let (mut failed, mut survived) = (0, 0);
    for seed in 0..1500 {
        let mut chance = Chance(seed);
        let mut pair = Pair::new(&context, &roots, BOTH[chance.below(2)]);
        // From the first flight on, from a later one, or after the handshake.
        let begin = chance.below(5);
        let piece = [1 << 20, 1 << 20, 100, 13][chance.below(4)];
        for round in 0..6 {
            if round == 3 && !pair.client.is_handshaking() {
                // After an alert it takes no more.
                drop(pair.client.writer().write_all(&[7; 3000]));
            }
            let mut on_the_way = |bytes: &mut Vec<u8>| {
                if round >= begin {
                    chance.spoil(bytes);
                }
            };
            pair.pass(&mut on_the_way, piece);
            // Whatever has happened, we may want to send.
            let mut out = Vec::new();
            if pair.server.is_open() {
                assert!(pair.server.seal(&mut pair.kept, b"data", &mut out) != out.is_empty());
            }
            pair.answer(&out);
        }
        assert_eq!(pair.error.is_some(), pair.server.is_dead());
        if pair.server.is_dead() {
            failed += 1;
        } else {
            survived += 1;
        }
        pair.server.goodbye(&mut pair.kept, &mut Vec::new());
    }
    assert!(failed > 500 && survived > 10, "{failed} failed, {survived} did not");
}
