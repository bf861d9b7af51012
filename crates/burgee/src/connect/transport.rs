//! How the server is reached: TCP from an address of our choice, a Unix socket, a proxy, WebSocket, TLS.
//!
//! What must hold: TLS is spoken where an option of it says so, and at port 8883; what is not given is as the system has it.
//! Deliberately absent: reading the files. The client does, for each connection anew.

use std::path::PathBuf;

use burgee_client::{Options, Tls, TlsVersion};
use clap::{Args, ValueEnum};

use crate::failure::Failure;

/// The port at which TLS is expected.
const SECURE: u16 = 8883;

/// The options of transports.
#[derive(Args, Debug)]
pub(crate) struct Transport {
    /// Local address of the connection: a name or an IP address
    #[arg(short = 'A', long, value_name = "ADDRESS")]
    bind: Option<String>,

    /// Connect to a Unix socket instead of a host
    #[arg(long, value_name = "PATH")]
    unix: Option<PathBuf>,

    /// Connect through a proxy: socks5h://[USER[:PASSWORD]@]HOST[:PORT], or http:// for HTTP CONNECT
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,

    /// Speak MQTT in WebSocket, at this path of the server (often /mqtt)
    #[arg(long, value_name = "PATH")]
    ws: Option<String>,

    /// File with certificates of authorities to trust, in PEM; switches TLS on
    #[arg(long, value_name = "FILE")]
    cafile: Option<PathBuf>,

    /// Directory with files of certificates to trust; switches TLS on
    #[arg(long, value_name = "DIR")]
    capath: Option<PathBuf>,

    /// Trust the authorities that the system trusts; switches TLS on (port 8883 and mqtts:// do, too)
    #[arg(long, alias = "url-speaks-tls")]
    tls_use_os_certs: bool,

    /// File with our own certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,

    /// File with its private key, in PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,

    /// Kind of the key: pem
    #[arg(long, value_name = "KIND", requires = "key", value_parser = keyform)]
    keyform: Option<()>,

    /// The only version of TLS to speak [default: tlsv1.2 and tlsv1.3]
    #[arg(long, value_name = "VERSION")]
    tls_version: Option<Version>,

    /// Protocol to ask for within TLS, where one port serves several
    #[arg(long, value_name = "PROTOCOL")]
    tls_alpn: Option<String>,

    /// Cipher suites to offer, with colons between; names as OpenSSL or the standard writes them
    #[arg(long, value_name = "CIPHERS")]
    ciphers: Option<String>,

    /// Do not look whether the certificate is for this host. Whoever has any good certificate can be the server then
    #[arg(long)]
    insecure: bool,
}

/// A version of TLS.
#[derive(Copy, Clone, Debug, ValueEnum)]
enum Version {
    #[value(name = "tlsv1.2")]
    Tls12,
    #[value(name = "tlsv1.3")]
    Tls13,
}

fn keyform(text: &str) -> Result<(), &'static str> {
    match text {
        "pem" => Ok(()),
        "engine" => Err("TLS is done without OpenSSL here, so there are no engines: use a PEM file"),
        _ => Err("a key is a PEM file: write pem"),
    }
}

impl Transport {
    /// The port where none is given.
    pub(super) fn usual_port(&self) -> u16 {
        match (&self.ws, self.asks_for_tls()) {
            (None, false) => 1883,
            (None, true) => SECURE,
            (Some(_), false) => 80,
            (Some(_), true) => 443,
        }
    }

    fn asks_for_tls(&self) -> bool {
        self.cafile.is_some() || self.capath.is_some() || self.tls_use_os_certs || self.cert.is_some()
    }

    /// Adds the transport to a connection.
    pub(super) fn apply(&self, port: u16, mut options: Options) -> Result<Options, Failure> {
        if let Some(address) = &self.bind {
            options = options.bind(address);
        }
        if let Some(path) = &self.unix {
            options = options.unix(path);
        }
        if let Some(url) = &self.proxy {
            let proxied = options.proxy(url);
            options = proxied.map_err(|error| Failure::usage(format!("--proxy {url}: {error}")))?;
        }
        if self.asks_for_tls() || port == SECURE {
            let tls = self.tls();
            tls.check()?;
            options = options.tls(tls);
        }
        if let Some(path) = &self.ws {
            options = options.web_socket(path);
        }
        Ok(options)
    }

    fn tls(&self) -> Tls {
        let mut tls = Tls::new();
        if self.tls_use_os_certs {
            tls = tls.system_roots();
        }
        if let Some(file) = &self.cafile {
            tls = tls.ca_file(file);
        }
        if let Some(directory) = &self.capath {
            tls = tls.ca_path(directory);
        }
        if let (Some(certificate), Some(key)) = (&self.cert, &self.key) {
            tls = tls.identity_files(certificate, key);
        }
        if self.insecure {
            tls = tls.insecure_name();
        }
        if let Some(protocol) = &self.tls_alpn {
            tls = tls.alpn(&[protocol]);
        }
        if let Some(version) = self.tls_version {
            let version = match version {
                Version::Tls12 => TlsVersion::Tls12,
                Version::Tls13 => TlsVersion::Tls13,
            };
            tls = tls.versions(version, version);
        }
        if let Some(ciphers) = &self.ciphers {
            let names: Vec<_> = ciphers.split([':', ',', ' ']).filter(|name| !name.is_empty()).collect();
            tls = tls.ciphers(&names);
        }
        tls
    }
}
