//! Files that belong to the settings, read whole and bounded.
//!
//! What must hold: neither a pipe nor a device nor an endless file holds up whoever reads. Deliberately absent: what is in
//! them.

use std::io::{self, Read};
use std::path::Path;
use std::{fmt, fs};

/// Larger ones are not read: no list of users or rules that people keep in a file is that long.
const LARGEST: u64 = 64 << 20;

/// Why a file cannot be read.
#[derive(Debug)]
pub enum Unreadable {
    /// The system does not give it.
    Io(io::Error),
    /// It is a directory, a pipe or a device.
    NoFile,
    /// It is larger than `LARGEST`.
    TooLarge,
    /// It is not UTF-8 from this line on.
    NoText(usize),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) if error.kind() == io::ErrorKind::NotFound => f.write_str("there is no such file"),
            Self::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                f.write_str("this user may not read it")
            }
            Self::Io(error) => error.fmt(f),
            Self::NoFile => f.write_str("this is no regular file"),
            Self::TooLarge => write!(f, "the file is larger than {} MiB", LARGEST >> 20),
            Self::NoText(line) => write!(f, "line {line} is not UTF-8"),
        }
    }
}

impl std::error::Error for Unreadable {}

/// The bytes of a file.
///
/// # Errors
/// See [`Unreadable`].
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, Unreadable> {
    // Asked before it is opened: opening a pipe would wait for its other end.
    if !fs::metadata(path).map_err(Unreadable::Io)?.is_file() {
        return Err(Unreadable::NoFile);
    }
    let file = fs::File::open(path).map_err(Unreadable::Io)?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(Unreadable::Io)?;
    if bytes.len() as u64 > LARGEST {
        return Err(Unreadable::TooLarge);
    }
    Ok(bytes)
}

/// The text of a file.
///
/// # Errors
/// See [`Unreadable`].
pub fn read_text(path: &Path) -> Result<String, Unreadable> {
    String::from_utf8(read_bytes(path)?).map_err(|error| {
        let good = error
            .as_bytes()
            .get(..error.utf8_error().valid_up_to())
            .unwrap_or_default();
        Unreadable::NoText(good.split(|byte| *byte == b'\n').count())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_file_is_said() {
        let folder = std::env::temp_dir().join(format!("burgee-config-file-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let broken = folder.join("broken");
        fs::write(&broken, b"a\nb\n\xff\n").unwrap();
        assert!(matches!(read_text(&broken), Err(Unreadable::NoText(3))));
        assert!(matches!(read_text(&folder), Err(Unreadable::NoFile)));
        assert!(matches!(read_text(&folder.join("none")), Err(Unreadable::Io(_))));
        assert!(matches!(
            read_text(Path::new("/dev/zero")),
            Err(Unreadable::NoFile | Unreadable::Io(_))
        ));
        fs::remove_dir_all(folder).unwrap();
    }
}
