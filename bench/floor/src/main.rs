//! `burgee-floor`: the least that can pass for a broker. Every figure of burgee's is quoted as a multiple of its.
//!
//! It answers QoS 0, 1 and 2 and forwards by exact topic, on one thread, on the same kernel interface as burgee: one
//! receive and one send for each connection and turn. What it must hold: it is never the slower one; a slow floor
//! flatters. Deliberately absent: everything that makes a broker. It serves nobody but a load generator.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool speaks on its terminal"
)]

mod book;
mod conn;
mod out;
mod relay;
mod wire;

use std::io;
use std::net::TcpListener;
use std::process::ExitCode;

const USAGE: &str = "usage: burgee-floor [--listen HOST:PORT]   (default: 127.0.0.1:0, a free port)";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let address = match (arguments.next().as_deref(), arguments.next(), arguments.next()) {
        (None, None, None) => "127.0.0.1:0".to_owned(),
        (Some("--listen"), Some(address), None) => address,
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match serve(&address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("burgee-floor: {e}");
            ExitCode::FAILURE
        }
    }
}

fn serve(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    let relay = relay::Relay::new(listener.try_clone()?)?;
    println!("listening on tcp://{}", listener.local_addr()?);
    relay.run()
}
