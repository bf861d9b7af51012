//! Sockets that systemd made for us: found by the name that their socket unit gives them.
//!
//! What must hold: a socket is given out once; what is not asked for stays open, for it is not ours to close.
//! Deliberately absent: telling systemd anything.

use std::io;
use std::net::TcpListener;
#[cfg(unix)]
use std::os::unix::net::UnixListener;

use listenfd::ListenFd;

/// What was handed over.
#[derive(Debug)]
pub(crate) enum Handed {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
}

/// All that were handed over to this process.
pub(crate) struct HandedOver {
    sockets: ListenFd,
    names: Vec<String>,
}

impl HandedOver {
    /// Looks into the environment: `LISTEN_PID`, `LISTEN_FDS`, `LISTEN_FDNAMES`.
    pub(crate) fn find() -> Self {
        // Without LISTEN_PID the variables may be meant for a parent of ours.
        let ours = std::env::var("LISTEN_PID").is_ok_and(|pid| pid == std::process::id().to_string());
        let sockets = if ours { ListenFd::from_env() } else { ListenFd::empty() };
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        Self {
            names: names_of(&names, sockets.len()),
            sockets,
        }
    }

    /// Takes all sockets of this name.
    pub(crate) fn take(&mut self, name: &str) -> io::Result<Vec<Handed>> {
        let mut found = Vec::new();
        for at in 0..self.names.len() {
            if self.names.get(at).is_none_or(|known| known != name) {
                continue;
            }
            #[cfg(unix)]
            if let Ok(Some(socket)) = self.sockets.take_unix_listener(at) {
                socket.set_nonblocking(true)?;
                found.push(Handed::Unix(socket));
                continue;
            }
            if let Some(socket) = self.sockets.take_tcp_listener(at)? {
                socket.set_nonblocking(true)?;
                found.push(Handed::Tcp(socket));
            }
        }
        if found.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, self.what_is_there(name)));
        }
        Ok(found)
    }

    fn what_is_there(&self, name: &str) -> String {
        if self.names.is_empty() {
            return format!("systemd handed over no sockets: start the socket unit with FileDescriptorName={name}");
        }
        format!(
            "systemd handed over {} and none of the name {name:?}, or it is taken already: set FileDescriptorName=",
            self.names.join(", ")
        )
    }
}

/// Names in the order of the sockets; systemd calls those without one `unknown`.
fn names_of(text: &str, count: usize) -> Vec<String> {
    let mut names: Vec<_> = text.split(':').map(str::to_owned).take(count).collect();
    names.resize(count, "unknown".to_owned());
    for name in names.iter_mut().filter(|name| name.is_empty()) {
        "unknown".clone_into(name);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_sockets() {
        assert_eq!(names_of("", 0), [""; 0]);
        assert_eq!(names_of("mqtt:web", 2), ["mqtt", "web"]);
        assert_eq!(names_of("mqtt", 3), ["mqtt", "unknown", "unknown"]);
        assert_eq!(names_of("", 1), ["unknown"]);
        assert_eq!(names_of("a:b:c", 2), ["a", "b"]);
    }

    #[test]
    fn without_systemd_the_error_says_what_to_do() {
        let error = HandedOver::find().take("mqtt").unwrap_err().to_string();
        assert!(error.contains("FileDescriptorName=mqtt"), "{error}");
    }
}
