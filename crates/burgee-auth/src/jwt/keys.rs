//! Keys that tokens are checked with.
//!
//! What must hold: the key decides which algorithms are possible, never the token. So there is no `none`, and a public
//! RSA key is never taken for the secret of an HMAC: those are other kinds of key. Deliberately absent: private keys,
//! RSA below 2048 bits, and secrets out of a key set.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::{hmac, signature};
use serde::Deserialize;
use spki::der::asn1::UintRef;
use spki::der::{Decode, Document, Reader, SliceReader};
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};

/// More keys than anybody has at once.
const MAX_KEYS: usize = 256;
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// How a token is signed.
#[derive(Copy, Clone, Debug, Deserialize, Eq, PartialEq)]
pub(super) enum Algorithm {
    HS256,
    HS384,
    HS512,
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
    /// What we do not know, `none` among it.
    #[serde(other)]
    Other,
}

/// With the bytes that a secret has to have at least.
const HMACS: [(Algorithm, hmac::Algorithm, usize); 3] = [
    (Algorithm::HS256, hmac::HMAC_SHA256, 32),
    (Algorithm::HS384, hmac::HMAC_SHA384, 48),
    (Algorithm::HS512, hmac::HMAC_SHA512, 64),
];
static RSAS: [(Algorithm, &signature::RsaParameters); 6] = [
    (Algorithm::RS256, &signature::RSA_PKCS1_2048_8192_SHA256),
    (Algorithm::RS384, &signature::RSA_PKCS1_2048_8192_SHA384),
    (Algorithm::RS512, &signature::RSA_PKCS1_2048_8192_SHA512),
    (Algorithm::PS256, &signature::RSA_PSS_2048_8192_SHA256),
    (Algorithm::PS384, &signature::RSA_PSS_2048_8192_SHA384),
    (Algorithm::PS512, &signature::RSA_PSS_2048_8192_SHA512),
];

/// Keys, none too many.
#[derive(Debug, Default)]
pub(super) struct KeySet(Vec<Key>);

#[derive(Debug)]
pub(super) struct Key {
    pub(super) id: Option<Box<str>>,
    /// Where the key set says so, no other.
    only: Option<Algorithm>,
    kind: Kind,
}

enum Kind {
    Secret(Box<[u8]>),
    Rsa { n: Box<[u8]>, e: Box<[u8]> },
    P256(Box<[u8]>),
    P384(Box<[u8]>),
    Ed25519(Box<[u8]>),
}

/// Not even a secret's length is worth a log line.
impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret(_) => "secret",
            Self::Rsa { .. } => "RSA",
            Self::P256(_) => "P-256",
            Self::P384(_) => "P-384",
            Self::Ed25519(_) => "Ed25519",
        })
    }
}

/// Why there is no key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum InvalidKeys {
    /// Neither PEM nor JSON.
    NoForm,
    /// PEM that cannot be read.
    Pem(String),
    /// PEM of another kind.
    Label(String),
    /// A key of a kind that we do not know.
    Kind(String),
    /// A key that breaks its own rules.
    Broken(&'static str),
    /// JSON that is no key set.
    Json(String),
    /// A set without a key that can check signatures.
    None,
    /// Too many.
    TooMany,
    /// A secret that is too short to be one.
    ShortSecret(usize),
}

impl fmt::Display for InvalidKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoForm => f.write_str("neither PEM (BEGIN PUBLIC KEY) nor a JSON key set"),
            Self::Pem(why) => write!(f, "PEM that cannot be read: {why}"),
            Self::Label(label) if label.contains("PRIVATE") => write!(
                f,
                "a {label}: only public keys belong here; the way out: openssl pkey -pubout -in KEY"
            ),
            Self::Label(label) => write!(
                f,
                "a {label}, not a PUBLIC KEY; of a certificate: openssl x509 -pubkey -noout -in CERTIFICATE"
            ),
            Self::Kind(what) => write!(f, "a key of the kind {what}; RSA, P-256, P-384 and Ed25519 are known"),
            Self::Broken(why) => write!(f, "a broken key: {why}"),
            Self::Json(why) => write!(f, "no key set: {why}"),
            Self::None => f.write_str("no key for checking signatures is in it"),
            Self::TooMany => write!(f, "more than {MAX_KEYS} keys"),
            Self::ShortSecret(bytes) => write!(
                f,
                "a secret of {bytes} bytes; at least 32 are needed: openssl rand -base64 48"
            ),
        }
    }
}

impl std::error::Error for InvalidKeys {}

impl KeySet {
    /// A shared secret for HS256 and, if it is long enough, HS384 and HS512.
    ///
    /// # Errors
    /// It is too short.
    pub(super) fn secret(bytes: &[u8]) -> Result<Self, InvalidKeys> {
        // An editor's line end is no part of it.
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        if bytes.len() < 32 {
            return Err(InvalidKeys::ShortSecret(bytes.len()));
        }
        Ok(Self(vec![Key::new(Kind::Secret(bytes.into()))]))
    }

    /// Public keys: PEM, or a JSON key set, or one JSON key.
    ///
    /// # Errors
    /// None is in there, or one that cannot be used.
    pub(super) fn public(bytes: &[u8]) -> Result<Self, InvalidKeys> {
        let text = std::str::from_utf8(bytes).map_err(|_| InvalidKeys::NoForm)?;
        let keys = if text.trim_start().starts_with('{') {
            from_json(text)?
        } else if text.contains("-----BEGIN ") {
            from_pem(text)?
        } else {
            return Err(InvalidKeys::NoForm);
        };
        match keys.len() {
            0 => Err(InvalidKeys::None),
            1..=MAX_KEYS => Ok(Self(keys)),
            _ => Err(InvalidKeys::TooMany),
        }
    }

    /// Those that a token with this key id may have been signed with: of that id, or without one.
    pub(super) fn candidates<'a>(&'a self, id: Option<&'a str>) -> impl Iterator<Item = &'a Key> {
        self.0
            .iter()
            .filter(move |key| id.is_none() || key.id.is_none() || key.id.as_deref() == id)
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }
}

impl Key {
    const fn new(kind: Kind) -> Self {
        Self {
            id: None,
            only: None,
            kind,
        }
    }

    /// None: the algorithm is not one of this key.
    pub(super) fn verify(&self, algorithm: Algorithm, message: &[u8], mark: &[u8]) -> Option<bool> {
        if self.only.is_some_and(|only| only != algorithm) {
            return None;
        }
        match &self.kind {
            Kind::Secret(secret) => {
                let (_, hash, least) = HMACS.iter().find(|(name, ..)| *name == algorithm)?;
                let key = (secret.len() >= *least).then(|| hmac::Key::new(*hash, secret))?;
                Some(hmac::verify(&key, message, mark).is_ok())
            }
            Kind::Rsa { n, e } => {
                let (_, params) = RSAS.iter().find(|(name, _)| *name == algorithm)?;
                let key = signature::RsaPublicKeyComponents { n, e };
                Some(key.verify(params, message, mark).is_ok())
            }
            Kind::P256(point) => (algorithm == Algorithm::ES256)
                .then(|| check(&signature::ECDSA_P256_SHA256_FIXED, point, message, mark)),
            Kind::P384(point) => (algorithm == Algorithm::ES384)
                .then(|| check(&signature::ECDSA_P384_SHA384_FIXED, point, message, mark)),
            Kind::Ed25519(point) => {
                (algorithm == Algorithm::EdDSA).then(|| check(&signature::ED25519, point, message, mark))
            }
        }
    }
}

fn check(how: &'static dyn signature::VerificationAlgorithm, key: &[u8], message: &[u8], mark: &[u8]) -> bool {
    signature::UnparsedPublicKey::new(how, key)
        .verify(message, mark)
        .is_ok()
}

fn rsa(n: &[u8], e: &[u8]) -> Result<Kind, InvalidKeys> {
    let trim = |bytes: &[u8]| -> Box<[u8]> { bytes.iter().copied().skip_while(|byte| *byte == 0).collect() };
    let (n, e) = (trim(n), trim(e));
    if !(256..=1024).contains(&n.len()) {
        return Err(InvalidKeys::Broken("RSA with less than 2048 or more than 8192 bits"));
    }
    if e.is_empty() || e.len() > 4 {
        return Err(InvalidKeys::Broken("RSA with an exponent of an odd length"));
    }
    Ok(Kind::Rsa { n, e })
}

fn point(bytes: &[u8], length: usize) -> Result<Box<[u8]>, InvalidKeys> {
    if bytes.len() == length && (length == 32 || bytes.first() == Some(&4)) {
        Ok(bytes.into())
    } else {
        Err(InvalidKeys::Broken("a point of the wrong length or form"))
    }
}

/// All blocks of a file.
fn from_pem(text: &str) -> Result<Vec<Key>, InvalidKeys> {
    let mut keys = Vec::new();
    let mut rest = text;
    while let Some(begin) = rest.find("-----BEGIN ") {
        let block = rest.get(begin..).unwrap_or_default();
        let end = block.find("-----END ").and_then(|end| {
            let closing = block.get(end + 9..)?.find("-----")?;
            Some(end + 9 + closing + 5)
        });
        let end = end.ok_or_else(|| InvalidKeys::Pem("there is no END".to_owned()))?;
        let (block, after) = block.split_at(end);
        keys.push(Key::new(of_block(block)?));
        if keys.len() > MAX_KEYS {
            return Err(InvalidKeys::TooMany);
        }
        rest = after;
    }
    Ok(keys)
}

fn of_block(block: &str) -> Result<Kind, InvalidKeys> {
    let label = spki::der::pem::decode_label(block.as_bytes()).map_err(|error| InvalidKeys::Pem(error.to_string()))?;
    let parse = match label {
        "PUBLIC KEY" => of_spki,
        "RSA PUBLIC KEY" => of_pkcs1,
        other => return Err(InvalidKeys::Label(other.to_owned())),
    };
    let (_, document) = Document::from_pem(block).map_err(|error| InvalidKeys::Pem(error.to_string()))?;
    parse(document.as_bytes())
}

fn of_spki(der: &[u8]) -> Result<Kind, InvalidKeys> {
    let broken = |_| InvalidKeys::Broken("its structure (SubjectPublicKeyInfo) is not well-formed");
    let info = SubjectPublicKeyInfoRef::from_der(der).map_err(broken)?;
    let bits = info.subject_public_key.as_bytes();
    let bits = bits.ok_or(InvalidKeys::Broken("a number of bits that is no number of bytes"))?;
    match info.algorithm.oid {
        RSA => of_pkcs1(bits),
        ED25519 => point(bits, 32).map(Kind::Ed25519),
        EC => match info.algorithm.parameters_oid() {
            Ok(P256) => point(bits, 65).map(Kind::P256),
            Ok(P384) => point(bits, 97).map(Kind::P384),
            _ => Err(InvalidKeys::Kind("EC with another curve".to_owned())),
        },
        other => Err(InvalidKeys::Kind(other.to_string())),
    }
}

fn of_pkcs1(der: &[u8]) -> Result<Kind, InvalidKeys> {
    let broken = |_| InvalidKeys::Broken("its structure (RSAPublicKey) is not well-formed");
    let mut reader = SliceReader::new(der).map_err(broken)?;
    let (n, e) = reader
        .sequence(|inner| Ok::<_, spki::der::Error>((UintRef::decode(inner)?, UintRef::decode(inner)?)))
        .map_err(broken)?;
    rsa(n.as_bytes(), e.as_bytes())
}

#[derive(Deserialize)]
struct JsonSet {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct JsonKey {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<Algorithm>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// Keys of other kinds and for other purposes are passed over: issuers publish them in the same set.
fn from_json(text: &str) -> Result<Vec<Key>, InvalidKeys> {
    let json = |error: serde_json::Error| InvalidKeys::Json(error.to_string());
    let value: serde_json::Value = serde_json::from_str(text).map_err(json)?;
    let keys = if value.get("keys").is_some() {
        serde_json::from_value::<JsonSet>(value).map_err(json)?.keys
    } else {
        vec![value]
    };
    if keys.len() > MAX_KEYS {
        return Err(InvalidKeys::TooMany);
    }
    let mut usable = Vec::new();
    for key in keys {
        let key: JsonKey = serde_json::from_value(key).map_err(json)?;
        let for_signatures = key.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
            && key
                .key_ops
                .as_ref()
                .is_none_or(|all| all.iter().any(|one| one == "verify"));
        if !for_signatures || key.alg == Some(Algorithm::Other) {
            continue;
        }
        if let Some(kind) = of_json(&key)? {
            usable.push(Key {
                id: key.kid.map(Into::into),
                only: key.alg,
                kind,
            });
        }
    }
    Ok(usable)
}

fn of_json(key: &JsonKey) -> Result<Option<Kind>, InvalidKeys> {
    let decode = |text: &Option<String>| {
        let text = text.as_deref().ok_or(InvalidKeys::Broken("a member is missing"))?;
        URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| InvalidKeys::Broken("a member is not Base64url"))
    };
    let on_curve = |length: usize| {
        let (x, y) = (decode(&key.x)?, decode(&key.y)?);
        if x.len() != length || y.len() != length {
            return Err(InvalidKeys::Broken("a coordinate of the wrong length"));
        }
        Ok([&[4], x.as_slice(), y.as_slice()].concat().into_boxed_slice())
    };
    match (key.kty.as_str(), key.crv.as_deref()) {
        ("RSA", _) => rsa(&decode(&key.n)?, &decode(&key.e)?).map(Some),
        ("EC", Some("P-256")) => on_curve(32).map(Kind::P256).map(Some),
        ("EC", Some("P-384")) => on_curve(48).map(Kind::P384).map(Some),
        ("OKP", Some("Ed25519")) => point(&decode(&key.x)?, 32).map(Kind::Ed25519).map(Some),
        _ => Ok(None),
    }
}
