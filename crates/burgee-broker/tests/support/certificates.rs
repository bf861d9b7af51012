//! An authority of the test's own, and what it signs, written to files that go with the test.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use burgee_broker::{CertificateFiles, ClientCertificates, IdentityField, Listen, TlsSettings};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A directory that goes with the test.
pub(crate) struct Place(PathBuf);

impl Place {
    pub(crate) fn new() -> Self {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("burgee-tls-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        // As those do it who renew certificates: nobody sees half a file.
        let (new, path) = (self.path(&format!("{name}.new")), self.path(name));
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, &path).unwrap();
        path
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub(crate) struct Signed {
    pub(crate) chain: String,
    pub(crate) key: String,
    pub(crate) serial: u64,
}

pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
    next: AtomicU64,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        Self::until(name, 4000)
    }

    /// One whose own certificate ends with the beginning of this year.
    pub(crate) fn until(name: &str, year: i32) -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            pem,
            issuer: Issuer::new(params, key),
            next: AtomicU64::new(1000),
        }
    }

    fn sign(&self, mut params: CertificateParams) -> Signed {
        let serial = self.next.fetch_add(1, Ordering::Relaxed);
        params.serial_number = Some(SerialNumber::from(serial));
        let key = KeyPair::generate().unwrap();
        let chain = params.signed_by(&key, &self.issuer).unwrap().pem();
        Signed {
            chain,
            key: key.serialize_pem(),
            serial,
        }
    }

    /// A certificate for a server of these names.
    pub(crate) fn server(&self, names: &[&str]) -> Signed {
        self.server_until(names, 2090)
    }

    pub(crate) fn server_until(&self, names: &[&str], year: i32) -> Signed {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        self.sign(params)
    }

    /// A certificate for a client.
    pub(crate) fn client(&self, name: &str, until: i32) -> Signed {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.subject_alt_names = vec![
            SanType::Rfc822Name(format!("{name}@example.org").try_into().unwrap()),
            SanType::DnsName(format!("{name}.example.org").try_into().unwrap()),
            SanType::URI(format!("urn:device:{name}").try_into().unwrap()),
        ];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        self.sign(params)
    }

    /// The list of what is revoked.
    pub(crate) fn crl(&self, serials: &[u64], until: i32) -> String {
        let revoked = |&serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(until, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

impl Place {
    pub(crate) fn files(&self, name: &str, signed: &Signed) -> CertificateFiles {
        CertificateFiles {
            chain: self.write(&format!("{name}.pem"), &signed.chain),
            key: self.write(&format!("{name}.key"), &signed.key),
        }
    }

    /// Settings with one certificate, for `localhost`.
    pub(crate) fn settings(&self, authority: &Authority) -> TlsSettings {
        TlsSettings {
            certificates: vec![self.files("server", &authority.server(&["localhost"]))],
            ..TlsSettings::default()
        }
    }

    /// The same, with clients that have to show certificates, and an empty list of revoked ones.
    pub(crate) fn mutual(&self, authority: &Authority, clients: ClientCertificates) -> TlsSettings {
        TlsSettings {
            clients,
            ca: Some(self.write("ca.pem", &authority.pem)),
            crls: vec![self.write("crl.pem", &authority.crl(&[], 2090))],
            user_from: Some(IdentityField::CommonName),
            ..self.settings(authority)
        }
    }
}

/// A listener on a free port of loopback.
pub(crate) fn listener(scheme: &str, tls: TlsSettings) -> Listen {
    Listen {
        tls: Some(tls),
        ..Listen::new(format!("{scheme}://127.0.0.1:0").parse().unwrap())
    }
}
