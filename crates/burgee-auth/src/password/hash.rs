//! One hashed password: read, made, compared.
//!
//! What must hold: reading is total, whatever the text; comparing takes the same time wherever the difference is.
//! Three forms: `$argon2id$v=19$m=,t=,p=$salt$hash` (ours, as the PHC writes it), and Mosquitto's `$7$rounds$salt$hash`
//! (PBKDF2 with HMAC-SHA-512) and `$6$salt$hash` (one round of salted SHA-512: weak, read and never written).

use std::fmt;
use std::num::NonZeroU32;

use argon2::Params;
use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD, STANDARD_NO_PAD};
use ring::{digest, pbkdf2};
use subtle::ConstantTimeEq;

use super::cost::{self, Recipe, UnfitRecipe};
use super::workbench;

/// Mosquitto pads, the PHC does not; both are understood.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
const SHA512_BYTES: usize = 64;
const SALT_BYTES: usize = 16;
/// What Mosquitto 2.0 insists on.
const MOSQUITTO_SALT_BYTES: usize = 12;
const MAX_SALT_BYTES: usize = 64;
const MAX_OUTPUT_BYTES: usize = 64;
const MIN_OUTPUT_BYTES: usize = 16;

/// A password that cannot be read back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hashed(Kind);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Kind {
    Argon2id {
        memory_kib: u32,
        passes: u32,
        lanes: u32,
        salt: Box<[u8]>,
        output: Box<[u8]>,
    },
    Pbkdf2 {
        iterations: NonZeroU32,
        salt: Box<[u8]>,
        output: Box<[u8]>,
    },
    Sha512 {
        salt: Box<[u8]>,
        output: Box<[u8]>,
    },
}

/// Why a text is no hashed password.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum InvalidHash {
    /// It has none of the three forms; a password as it is, perhaps.
    NotHashed,
    /// A hash of another kind.
    Unknown(Box<str>),
    /// A form that we know, with the wrong number of parts.
    Parts(&'static str),
    /// A number that is none.
    Number(&'static str),
    /// Another version of Argon2 than 19.
    Version,
    /// Salt or hash is no Base64.
    Base64(&'static str),
    /// Salt or hash is too short or too long.
    Length(&'static str),
    /// It would cost too much to check, or such a cost does not exist.
    Cost(UnfitRecipe),
}

impl Hashed {
    /// # Errors
    /// It is no hashed password, or one that would cost too much.
    pub fn parse(text: &str) -> Result<Self, InvalidHash> {
        let Some(inner) = text.strip_prefix('$') else {
            return Err(InvalidHash::NotHashed);
        };
        let (scheme, rest) = inner.split_once('$').ok_or(InvalidHash::NotHashed)?;
        match scheme {
            "argon2id" => argon2id(rest),
            "7" => pbkdf2_of(rest),
            "6" => sha512_of(rest),
            other => Err(InvalidHash::Unknown(other.chars().take(16).collect())),
        }
    }

    /// Hashes a password with a salt from the system.
    ///
    /// # Errors
    /// A cost that no broker would accept; no random bytes.
    pub fn make(password: &[u8], recipe: Recipe) -> Result<Self, CannotHash> {
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(CannotHash::Random)?;
        let (mosquitto, _) = salt.split_at(MOSQUITTO_SALT_BYTES);
        Ok(Self(match recipe {
            Recipe::Argon2id {
                memory_kib,
                passes,
                lanes,
            } => {
                let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
                let params = cost::argon2(memory_kib, passes, lanes, output.len()).map_err(CannotHash::Recipe)?;
                workbench::work(params, password, &salt, &mut output).map_err(CannotHash::Argon2)?;
                let (salt, output) = (salt.into(), output.into());
                Kind::Argon2id {
                    memory_kib,
                    passes,
                    lanes,
                    salt,
                    output,
                }
            }
            Recipe::Pbkdf2 { iterations } => {
                let iterations = cost::pbkdf2(iterations.get()).map_err(CannotHash::Recipe)?;
                let mut output = [0; SHA512_BYTES];
                pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA512, iterations, mosquitto, password, &mut output);
                let (salt, output) = (mosquitto.into(), output.into());
                Kind::Pbkdf2 {
                    iterations,
                    salt,
                    output,
                }
            }
        }))
    }

    /// Whether this is the password. Takes as long as the entry costs, whatever the answer.
    #[must_use]
    pub fn matches(&self, password: &[u8]) -> bool {
        match &self.0 {
            Kind::Argon2id {
                memory_kib,
                passes,
                lanes,
                salt,
                output,
            } => {
                let Ok(params) = cost::argon2(*memory_kib, *passes, *lanes, output.len()) else {
                    return false;
                };
                let mut found = vec![0; output.len()];
                workbench::work(params, password, salt, &mut found).is_ok() && found.ct_eq(output).into()
            }
            Kind::Pbkdf2 {
                iterations,
                salt,
                output,
            } => pbkdf2::verify(pbkdf2::PBKDF2_HMAC_SHA512, *iterations, salt, password, output).is_ok(),
            Kind::Sha512 { salt, output } => {
                let mut context = digest::Context::new(&digest::SHA512);
                context.update(password);
                context.update(salt);
                context.finish().as_ref().ct_eq(output).into()
            }
        }
    }

    /// How it is hashed, in words; for lists.
    #[must_use]
    pub fn scheme(&self) -> String {
        match &self.0 {
            Kind::Argon2id {
                memory_kib,
                passes,
                lanes,
                ..
            } => format!("Argon2id, {memory_kib} KiB, {passes} passes, {lanes} lanes"),
            Kind::Pbkdf2 { iterations, .. } => format!("PBKDF2-SHA512, {iterations} rounds"),
            Kind::Sha512 { .. } => "SHA512, one round: weak, set the password anew".to_owned(),
        }
    }
}

/// Text as it stands in a file.
impl fmt::Display for Hashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = |bytes| STANDARD_NO_PAD.encode(bytes);
        let padded = |bytes| STANDARD.encode(bytes);
        match &self.0 {
            Kind::Argon2id {
                memory_kib,
                passes,
                lanes,
                salt,
                output,
            } => write!(
                f,
                "$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${}${}",
                bare(salt),
                bare(output)
            ),
            Kind::Pbkdf2 {
                iterations,
                salt,
                output,
            } => write!(f, "$7${iterations}${}${}", padded(salt), padded(output)),
            Kind::Sha512 { salt, output } => write!(f, "$6${}${}", padded(salt), padded(output)),
        }
    }
}

fn argon2id(rest: &str) -> Result<Hashed, InvalidHash> {
    let [version, params, salt, output] = parts(rest, "Argon2id")?;
    if version != "v=19" {
        return Err(InvalidHash::Version);
    }
    let mut costs = [0; 3];
    let mut given = params.split(',');
    for (cost, name) in costs.iter_mut().zip(["m=", "t=", "p="]) {
        let value = given.next().and_then(|part| part.strip_prefix(name));
        *cost = number(value.unwrap_or_default(), "m, t and p of Argon2id")?;
    }
    if given.next().is_some() {
        return Err(InvalidHash::Number("m, t and p of Argon2id"));
    }
    let [memory_kib, passes, lanes] = costs;
    let salt = decode(salt, "salt", 8..=MAX_SALT_BYTES)?;
    let output = decode(output, "hash", MIN_OUTPUT_BYTES..=MAX_OUTPUT_BYTES)?;
    cost::argon2(memory_kib, passes, lanes, output.len()).map_err(InvalidHash::Cost)?;
    Ok(Hashed(Kind::Argon2id {
        memory_kib,
        passes,
        lanes,
        salt,
        output,
    }))
}

fn pbkdf2_of(rest: &str) -> Result<Hashed, InvalidHash> {
    let [iterations, salt, output] = parts(rest, "$7$")?;
    let iterations = cost::pbkdf2(number(iterations, "the rounds of $7$")?).map_err(InvalidHash::Cost)?;
    Ok(Hashed(Kind::Pbkdf2 {
        iterations,
        salt: decode(salt, "salt", 1..=MAX_SALT_BYTES)?,
        output: decode(output, "hash", MIN_OUTPUT_BYTES..=MAX_OUTPUT_BYTES)?,
    }))
}

fn sha512_of(rest: &str) -> Result<Hashed, InvalidHash> {
    let [salt, output] = parts(rest, "$6$")?;
    Ok(Hashed(Kind::Sha512 {
        salt: decode(salt, "salt", 1..=MAX_SALT_BYTES)?,
        output: decode(output, "hash", SHA512_BYTES..=SHA512_BYTES)?,
    }))
}

fn parts<'a, const N: usize>(rest: &'a str, form: &'static str) -> Result<[&'a str; N], InvalidHash> {
    let mut found = rest.split('$');
    let mut parts = [""; N];
    for part in &mut parts {
        *part = found.next().ok_or(InvalidHash::Parts(form))?;
    }
    match found.next() {
        None => Ok(parts),
        Some(_) => Err(InvalidHash::Parts(form)),
    }
}

/// Digits alone: a sign or a leading zero would be one of several ways to write the same.
fn number(text: &str, what: &'static str) -> Result<u32, InvalidHash> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let value = if digits { text.parse().ok() } else { None };
    value.ok_or(InvalidHash::Number(what))
}

fn decode(text: &str, what: &'static str, length: std::ops::RangeInclusive<usize>) -> Result<Box<[u8]>, InvalidHash> {
    let bytes = LENIENT.decode(text).map_err(|_| InvalidHash::Base64(what))?;
    if length.contains(&bytes.len()) {
        Ok(bytes.into())
    } else {
        Err(InvalidHash::Length(what))
    }
}

impl fmt::Display for InvalidHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotHashed => f.write_str(
                "the password is not hashed; set it with `burgee passwd`, or hash the whole file with `mosquitto_passwd -U`",
            ),
            Self::Unknown(scheme) => write!(
                f,
                "a hash of the kind ${}$ is not known; $argon2id$, $7$ and $6$ are",
                scheme.escape_debug()
            ),
            Self::Parts(form) => write!(f, "a hash of the form {form} has another number of parts between its $"),
            Self::Number(what) => write!(f, "no number where {what} should be"),
            Self::Version => f.write_str("Argon2id of another version than 19 (v=19)"),
            Self::Base64(what) => write!(f, "the {what} is not Base64; is the line cut off?"),
            Self::Length(what) => write!(f, "the {what} is too short or too long; is the line cut off?"),
            Self::Cost(unfit) => write!(f, "checking it would cost too much: {unfit}"),
        }
    }
}

impl std::error::Error for InvalidHash {}

/// Why a password could not be hashed.
#[derive(Debug)]
pub enum CannotHash {
    /// That cost is not accepted.
    Recipe(UnfitRecipe),
    /// The system gives no random bytes.
    Random(getrandom::Error),
    /// The hash itself failed.
    Argon2(argon2::Error),
}

impl fmt::Display for CannotHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recipe(unfit) => unfit.fmt(f),
            Self::Random(error) => write!(f, "the system gives no random bytes: {error}"),
            Self::Argon2(error) => write!(f, "Argon2id: {error}"),
        }
    }
}

impl std::error::Error for CannotHash {}
