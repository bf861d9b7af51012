//! For tests: a server on loopback that answers as it is told, and counts who comes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};

/// What it does with one request.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    /// This status and this body.
    Answer(u16, String),
    /// These bytes, whatever they are.
    Raw(Vec<u8>),
    /// A body that never ends.
    Endless,
    /// Nothing, until the test is over.
    Silent,
    /// The end of the connection.
    Hangup,
}

/// See the module.
pub(crate) struct Scripted {
    address: SocketAddr,
    deed: Arc<Mutex<Deed>>,
    asked: Arc<AtomicUsize>,
    requests: mpsc::Receiver<(String, String)>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Scripted {
    pub(crate) fn new(deed: Deed) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (deed, asked, ends) = (
            Arc::new(Mutex::new(deed)),
            Arc::default(),
            Arc::new(AtomicBool::new(false)),
        );
        let (tell, requests) = mpsc::channel();
        let (deeds, count, over) = (Arc::clone(&deed), Arc::clone(&asked), Arc::clone(&ends));
        let thread = thread::spawn(move || {
            let mut silent = Vec::new();
            let mut clients = Vec::new();
            for stream in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(stream) = stream else { continue };
                silent.push(stream.try_clone().unwrap());
                let (deeds, count, tell) = (Arc::clone(&deeds), Arc::clone(&count), tell.clone());
                clients.push(thread::spawn(move || serve(stream, &deeds, &count, &tell)));
            }
            for stream in &silent {
                drop(stream.shutdown(std::net::Shutdown::Both));
            }
            for client in clients {
                drop(client.join());
            }
        });
        Self {
            address,
            deed,
            asked,
            requests,
            ends,
            thread: Some(thread),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/login", self.address)
    }

    pub(crate) fn becomes(&self, deed: Deed) {
        *self.deed.lock().unwrap() = deed;
    }

    /// Requests so far.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Header and body of the next request.
    pub(crate) fn request(&self) -> (String, String) {
        self.requests.recv_timeout(std::time::Duration::from_secs(10)).unwrap()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn serve(stream: TcpStream, deed: &Mutex<Deed>, asked: &AtomicUsize, tell: &mpsc::Sender<(String, String)>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    while let Some(request) = read_request(&mut reader) {
        asked.fetch_add(1, Ordering::SeqCst);
        drop(tell.send(request));
        let deed = deed.lock().unwrap().clone();
        let sent = match deed {
            Deed::Answer(status, body) => {
                let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n", body.len());
                stream
                    .write_all(head.as_bytes())
                    .and_then(|()| stream.write_all(body.as_bytes()))
            }
            Deed::Raw(bytes) => {
                drop(stream.write_all(&bytes));
                return;
            }
            Deed::Endless => {
                let mut sent = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
                while sent.is_ok() {
                    sent = stream.write_all(&[b' '; 4096]);
                }
                sent
            }
            Deed::Silent => Ok(()),
            Deed::Hangup => return,
        };
        if sent.is_err() {
            return;
        }
    }
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<(String, String)> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, String::from_utf8_lossy(&body).into_owned()))
}
