//! Where the broker is: `HOST`, `HOST:PORT` or `mqtt://[USER[:PASSWORD]@]HOST[:PORT]`.
//!
//! What must hold: an address that nobody answers at is told before anything is measured, with the way out.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::str::FromStr;
use std::time::Duration;

use crate::connect::url::Url;

const PORT: u16 = 1883;

/// How long one address of a name may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The broker as the command line names it.
#[derive(Clone, Debug)]
pub(super) struct Address(Url);

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains("://") {
            return text.parse().map(Self);
        }
        // An IPv6 address without a port needs no brackets.
        let bare = text.parse::<std::net::Ipv6Addr>().is_ok();
        let text = if bare { format!("[{text}]") } else { text.to_owned() };
        format!("mqtt://{text}").parse().map(Self)
    }
}

impl Address {
    pub(super) fn user(&self) -> Option<String> {
        self.0.user_name().map(str::to_owned)
    }

    pub(super) fn password(&self) -> Option<Vec<u8>> {
        self.0.password().map(|password| password.as_bytes().to_vec())
    }

    /// The first address of the host that answers.
    pub(super) fn reach(&self) -> Result<SocketAddr, String> {
        let (host, port) = (self.0.host(), self.0.port().unwrap_or(PORT));
        let addresses = (host, port).to_socket_addrs();
        let addresses = addresses.map_err(|error| format!("no address is known for {host:?}: {error}"))?;
        let mut reason = "the name has no address".to_owned();
        for address in addresses {
            match TcpStream::connect_timeout(&address, PATIENCE) {
                Ok(_) => return Ok(address),
                Err(error) => reason = error.to_string(),
            }
        }
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        Err(format!(
            "no broker answers at {host}:{port} ({reason}): start one, e.g. `burgee serve`, or name another with --address"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn an_address_is_written_in_several_ways() {
        for (text, host, port) in [
            ("127.0.0.1:1884", "127.0.0.1", Some(1884)),
            ("broker.example", "broker.example", None),
            ("mqtt://u:p@broker.example:1885", "broker.example", Some(1885)),
            ("[::1]:1886", "::1", Some(1886)),
            ("::1", "::1", None),
        ] {
            let address: Address = text.parse().expect(text);
            assert_eq!((address.0.host(), address.0.port()), (host, port), "{text}");
        }
        for wrong in ["", ":1883", "host:port", "http://host", "host:0"] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
        let address: Address = "mqtt://u:p@h".parse().unwrap();
        assert_eq!(
            (address.user().as_deref(), address.password()),
            (Some("u"), Some(b"p".to_vec()))
        );
    }

    #[test]
    fn who_answers_is_found_and_who_does_not_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = listener.local_addr().unwrap();
        let address: Address = place.to_string().parse().unwrap();
        assert_eq!(address.reach(), Ok(place));
        drop(listener);
        let error = address.reach().unwrap_err();
        assert!(
            error.contains("no broker answers at") && error.contains("burgee serve"),
            "{error}"
        );
    }
}
