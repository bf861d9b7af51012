//! Which certificate a client gets: the one for the host that it names.
//!
//! What must hold: an exact name goes before one with an asterisk; among several for one name the first that the client
//! can check; who names none, or an unknown one, gets the first. Deliberately absent: checking names; clients do that.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// See the module.
#[derive(Debug)]
pub(super) struct ByName {
    all: Vec<Arc<CertifiedKey>>,
    /// Names in lower case, with `*.` in front where the first label may be any.
    names: HashMap<Box<str>, Vec<usize>>,
}

impl ByName {
    /// Certificates with the names that they are for.
    pub(super) fn new(certificates: Vec<(CertifiedKey, Vec<String>)>) -> Self {
        let (mut all, mut by_name) = (Vec::new(), HashMap::<Box<str>, Vec<usize>>::new());
        for (at, (key, names)) in certificates.into_iter().enumerate() {
            all.push(Arc::new(key));
            for name in names {
                by_name.entry(name.to_ascii_lowercase().into()).or_default().push(at);
            }
        }
        Self { all, names: by_name }
    }

    fn candidates(&self, name: &str) -> Option<&[usize]> {
        let name = name.to_ascii_lowercase();
        if let Some(exact) = self.names.get(&*name) {
            return Some(exact);
        }
        let (_, parent) = name.split_once('.')?;
        self.names.get(&*format!("*.{parent}")).map(Vec::as_slice)
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let fits = |at: &usize| {
            let key = self.all.get(*at)?;
            key.key.choose_scheme(hello.signature_schemes())?;
            Some(Arc::clone(key))
        };
        let named = hello.server_name().and_then(|name| self.candidates(name));
        named
            .and_then(|candidates| candidates.iter().find_map(fits))
            .or_else(|| (0..self.all.len()).find_map(|at| fits(&at)))
            // The handshake fails, and the client hears why.
            .or_else(|| self.all.first().map(Arc::clone))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_names_go_before_asterisks_and_case_does_not_count() {
        let key = || {
            let made = rcgen::generate_simple_self_signed(["x".to_owned()]).unwrap();
            let der = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
            let provider = rustls::crypto::ring::default_provider();
            CertifiedKey::from_der(vec![made.cert.der().clone()], der, &provider).unwrap()
        };
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let by_name = ByName::new(vec![
            (key(), names(&["*.Example.org"])),
            (key(), names(&["mqtt.example.org"])),
            (key(), names(&["MQTT.example.org"])),
        ]);
        for (name, expected) in [
            ("a.example.org", Some(&[0][..])),
            ("A.EXAMPLE.ORG", Some(&[0])),
            ("mqtt.Example.org", Some(&[1, 2])),
            ("a.b.example.org", None),
            ("example.org", None),
            ("org", None),
            ("", None),
        ] {
            assert_eq!(by_name.candidates(name), expected, "{name}");
        }
    }
}
