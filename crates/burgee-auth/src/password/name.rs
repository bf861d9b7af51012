//! Which names can stand in a password file.

use std::fmt;

/// The most bytes of a user name here. MQTT allows 65,535; nobody types those.
pub const MAX_NAME_BYTES: usize = 1024;

/// Why a name cannot stand in a password file.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum InvalidName {
    /// Empty.
    Empty,
    /// Has a colon, which ends the name.
    Colon,
    /// Begins with `#`, which begins a comment.
    Comment,
    /// Begins or ends with a blank.
    Blank,
    /// Has a control character, a line end perhaps.
    Control,
    /// Too long.
    Long,
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the user name is empty"),
            Self::Colon => f.write_str("a user name here has no colon: that ends the name"),
            Self::Comment => f.write_str("a user name here does not begin with #: that begins a comment"),
            Self::Blank => f.write_str("a user name here does not begin or end with a blank"),
            Self::Control => f.write_str("a user name here has no control characters"),
            Self::Long => write!(f, "a user name here has at most {MAX_NAME_BYTES} bytes"),
        }
    }
}

impl std::error::Error for InvalidName {}

/// # Errors
/// A file with this name could not be read back.
pub fn check_name(name: &str) -> Result<(), InvalidName> {
    if name.is_empty() {
        Err(InvalidName::Empty)
    } else if name.len() > MAX_NAME_BYTES {
        Err(InvalidName::Long)
    } else if name.contains(':') {
        Err(InvalidName::Colon)
    } else if name.starts_with('#') {
        Err(InvalidName::Comment)
    } else if name.trim().len() != name.len() {
        Err(InvalidName::Blank)
    } else if name.chars().any(char::is_control) {
        Err(InvalidName::Control)
    } else {
        Ok(())
    }
}
