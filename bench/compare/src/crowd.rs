//! Connections that stay open beside a measurement and say nothing.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);
/// CONNECT of MQTT 3.1.1, clean session, no keep-alive; the client identifier is still to come.
const CONNECT: [u8; 12] = [0x10, 18, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 0];
const ACCEPTED: [u8; 4] = [0x20, 2, 0, 0];

/// Connects so many clients, one after the other. They leave when dropped.
pub(crate) fn gather(broker: SocketAddr, count: usize) -> io::Result<Vec<TcpStream>> {
    (0..count).map(|number| connect(broker, number)).collect()
}

fn connect(broker: SocketAddr, number: usize) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&broker, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // Closing resets: thousands of connections must not leave their ports in TIME_WAIT for the next run.
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
    let name = format!("{number:06}");
    stream.write_all(&[&CONNECT[..], &[0, 6], name.as_bytes()].concat())?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer)?;
    if answer == ACCEPTED {
        Ok(stream)
    } else {
        Err(io::Error::other(format!("client {number} was not let in")))
    }
}
