//! Writing: as much of an outbox as the kernel takes, with as few calls as possible.
//!
//! What must hold: bytes leave in order; a connection that cannot be written to swallows what is meant for it, so that
//! its unread bytes can still be read to the end (a DISCONNECT may be among them [MQTT-3.14.4-3]).
//! Deliberately absent: limits; the core watches the length of its outboxes.

use std::io::{ErrorKind, IoSlice, Write};

use burgee_protocol::connection::Outbox;

use crate::conn_table::{Conn, Flags};
use crate::layers::{Sent, Workspace};
use crate::socket::Socket;

/// Slices handed to the kernel in one call.
const SLICES: usize = 64;

/// Sends what an outbox holds. Afterwards it is empty, or the connection is waiting for the kernel.
pub(crate) fn flush(conn: &mut Conn, outbox: &mut Outbox, work: &mut Workspace) {
    if conn.layers.is_some() {
        flush_layered(conn, outbox, work);
        return;
    }
    while !outbox.is_empty() {
        if conn.flags.any(Flags::BROKEN) {
            outbox.consume(outbox.len());
            return;
        }
        if conn.flags.any(Flags::BLOCKED) {
            return;
        }
        match send(&mut conn.socket, outbox) {
            Ok((sent, offered)) => {
                outbox.consume(sent);
                if sent < offered {
                    conn.flags.set(Flags::BLOCKED);
                }
            }
            Err(ErrorKind::Interrupted) => {}
            Err(ErrorKind::WouldBlock) => conn.flags.set(Flags::BLOCKED),
            // What the peer sent before may still be waiting to be read, and its end behind it.
            Err(_) => conn.flags.set(Flags::BROKEN.and(Flags::READABLE).and(Flags::HANGUP)),
        }
    }
}

/// The same through layers. At the end of a closing connection stands their goodbye.
fn flush_layered(conn: &mut Conn, outbox: &mut Outbox, work: &mut Workspace) {
    let Some(layers) = conn.layers.as_deref_mut() else {
        return;
    };
    loop {
        if conn.flags.any(Flags::BROKEN) || layers.is_over() && !layers.has_unsent() {
            outbox.consume(outbox.len());
        }
        if conn.flags.any(Flags::BROKEN.and(Flags::BLOCKED)) {
            return;
        }
        let sent = if layers.has_unsent() {
            layers.send_out(&mut conn.socket)
        } else if let Some(sent) = layers.send_next(&mut conn.socket, outbox, work) {
            sent
        } else if conn.closing.is_some() && layers.say_goodbye(work) {
            Sent::All
        } else {
            return;
        };
        match sent {
            Sent::All => {}
            Sent::Blocked => conn.flags.set(Flags::BLOCKED),
            Sent::Broken => conn.flags.set(Flags::BROKEN.and(Flags::READABLE).and(Flags::HANGUP)),
        }
    }
}

/// One call: how many bytes it took, of how many offered.
fn send(socket: &mut Socket, outbox: &Outbox) -> Result<(usize, usize), ErrorKind> {
    let mut chunks = outbox.chunks();
    let Some(first) = chunks.next() else { return Ok((0, 0)) };
    let Some(second) = chunks.next() else {
        return socket
            .write(first)
            .map(|sent| (sent, first.len()))
            .map_err(|error| error.kind());
    };
    let mut slices = [IoSlice::new(&[]); SLICES];
    let (mut count, mut offered) = (0, 0);
    for (slice, chunk) in slices.iter_mut().zip([first, second].into_iter().chain(chunks)) {
        *slice = IoSlice::new(chunk);
        count += 1;
        offered += chunk.len();
    }
    let slices = slices.get(..count).unwrap_or_default();
    socket
        .write_vectored(slices)
        .map(|sent| (sent, offered))
        .map_err(|error| error.kind())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Arrival;
    use std::io::Read;
    use std::sync::Arc;
    use std::time::Duration;

    fn pair() -> (Conn, std::net::TcpStream) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let near = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (far, peer) = listener.accept().unwrap();
        near.set_nonblocking(true).unwrap();
        far.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        (
            Conn::new(Arrival::plain(mio::net::TcpStream::from_std(near), peer)),
            far,
        )
    }

    #[test]
    fn many_chunks_arrive_in_order() {
        let (mut conn, mut far) = pair();
        let mut outbox = Outbox::default();
        let body: Arc<[u8]> = (0..=255_u8).cycle().take(1500).collect::<Vec<_>>().into();
        let mut expected = Vec::new();
        for round in 0..100_u8 {
            outbox.append(&[round; 3]);
            outbox.append_shared(&body, 7);
            expected.extend_from_slice(&[round; 3]);
            expected.extend_from_slice(&body[7..]);
        }
        flush(&mut conn, &mut outbox, &mut Workspace::default());
        assert!(outbox.is_empty());
        let mut got = vec![0; expected.len()];
        far.read_exact(&mut got).unwrap();
        assert!(got == expected);
    }

    #[test]
    fn a_full_kernel_blocks_and_loses_nothing() {
        let (mut conn, mut far) = pair();
        let mut outbox = Outbox::default();
        let body: Arc<[u8]> = (0..=255_u8).cycle().take(30 << 20).collect::<Vec<_>>().into();
        outbox.append_shared(&body, 0);
        flush(&mut conn, &mut outbox, &mut Workspace::default());
        assert!(conn.flags.any(Flags::BLOCKED) && !outbox.is_empty());
        let reader = std::thread::spawn(move || {
            let mut got = vec![0; 30 << 20];
            far.read_exact(&mut got).unwrap();
            got
        });
        while !outbox.is_empty() {
            conn.flags.clear(Flags::BLOCKED);
            flush(&mut conn, &mut outbox, &mut Workspace::default());
            std::thread::yield_now();
        }
        assert!(reader.join().unwrap()[..] == body[..]);
    }

    #[test]
    fn a_broken_connection_swallows_what_is_left() {
        let (mut conn, far) = pair();
        socket2::SockRef::from(&far).set_linger(Some(Duration::ZERO)).unwrap();
        drop(far);
        let mut outbox = Outbox::default();
        while !conn.flags.any(Flags::BROKEN) {
            outbox.append(b"x");
            flush(&mut conn, &mut outbox, &mut Workspace::default());
        }
        assert!(outbox.is_empty() && conn.flags.any(Flags::HANGUP) && conn.flags.any(Flags::READABLE));
    }
}
