//! Unix sockets to listen on: made with the right permissions, and removed at the end.
//!
//! What must hold: nobody can connect before the permissions are what they should be; a socket that somebody listens on,
//! and a file that is none, is never removed. Deliberately absent: the group; it is the directory's or the process's.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

/// A socket's file, to be removed when this is dropped, if it is still the same one.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device, number and time of the last change: numbers are used again.
    is: (u64, u64, i64, i64),
}

fn identity(found: &fs::Metadata) -> (u64, u64, i64, i64) {
    (found.dev(), found.ino(), found.ctime(), found.ctime_nsec())
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let still = fs::symlink_metadata(&self.path).is_ok_and(|found| identity(&found) == self.is);
        if still && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the socket's file stays behind");
        }
    }
}

/// Listens on a path; `mode` are the permissions of its file.
pub(crate) fn listen(path: &Path, mode: u32, backlog: i32) -> io::Result<(UnixListener, SocketFile)> {
    clear(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    // Before it listens: until then a connection is refused, whatever the permissions are.
    fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o777))?;
    let file = SocketFile {
        path: path.to_owned(),
        is: identity(&fs::symlink_metadata(path)?),
    };
    socket.listen(backlog)?;
    Ok((socket.into(), file))
}

/// Removes what a broker left behind that could not tidy up.
fn clear(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        let what = "there is a file that is no socket: remove it or choose another path";
        return Err(io::Error::new(ErrorKind::AlreadyExists, what));
    }
    match UnixStream::connect(path) {
        // Nobody listens.
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        // Its line is full, or we may not ask: somebody is there.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(error),
        Ok(_) | Err(_) => Err(ErrorKind::AddrInUse.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of its own that goes with the test.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("burgee-unix-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    #[test]
    fn the_file_has_its_mode_and_goes_at_the_end() {
        let place = Place::new("mode");
        let path = place.0.join("s");
        for mode in [0o660, 0o600, 0o777] {
            let (_listener, file) = listen(&path, mode, 4).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
            drop(file);
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_stale_socket_is_replaced_and_a_living_one_is_not() {
        let place = Place::new("stale");
        let path = place.0.join("s");
        let (listener, file) = listen(&path, 0o660, 4).unwrap();
        assert_eq!(listen(&path, 0o660, 4).unwrap_err().kind(), ErrorKind::AddrInUse);
        assert!(UnixStream::connect(&path).is_ok(), "the first one is unharmed");
        // As after a crash: the file stays, nobody listens.
        drop(listener);
        let (_second, _its_file) = listen(&path, 0o660, 4).unwrap();
        drop(file);
        assert!(path.exists(), "a file that another broker made is not removed");
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let place = Place::new("file");
        let path = place.0.join("s");
        fs::write(&path, "precious").unwrap();
        let error = listen(&path, 0o660, 4).unwrap_err();
        assert!(error.to_string().contains("no socket"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        assert!(listen(&place.0.join("missing/s"), 0o660, 4).is_err());
    }
}
