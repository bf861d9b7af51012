//! A contestant as a process: started with fresh state, ended when dropped.
//!
//! Must hold: it listens on loopback only, what it writes goes into a directory that is taken away with it, and only
//! what was started here is ended. Deliberately absent: an orderly end; nobody will need the state.

mod settings;

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::contestant::Contestant;
use crate::cores::{Cores, Place};
use crate::programs::Programs;

/// How long a broker may take until it listens.
const PATIENCE: Duration = Duration::from_secs(15);

/// A contestant that runs and answers.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    address: SocketAddr,
    /// Held open, so that the broker never writes into a closed pipe.
    output: Option<BufReader<ChildStdout>>,
    files: Option<PathBuf>,
}

impl Running {
    /// Starts a contestant and waits until it listens.
    pub(crate) fn start(who: Contestant, programs: &Programs, cores: &Cores, place: Place) -> io::Result<Self> {
        let program = programs.of(who).ok_or_else(|| io::Error::other("not installed"))?;
        match who {
            Contestant::Burgee | Contestant::Sharded => {
                let shards = if who == Contestant::Sharded { "2" } else { "1" };
                let mut command = Command::new(program);
                command.args(["serve", "--listen", "tcp://127.0.0.1:0", "--shards", shards]);
                // As the others: nothing is kept.
                command.args(["--durability", "memory", "--sys-interval", "0", "--log", "error"]);
                Self::start_announced(command, cores, place)
            }
            Contestant::Floor => Self::start_announced(Command::new(program), cores, place),
            Contestant::Mosquitto | Contestant::Rumqttd | Contestant::Nats | Contestant::Aedes => {
                Self::start_silent(who, program.as_os_str(), cores, place)
            }
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// For programs that print `listening on tcp://ADDRESS` once they do.
    fn start_announced(mut command: Command, cores: &Cores, place: Place) -> io::Result<Self> {
        let mut child = cores.spawn(place, command.stdin(Stdio::null()).stdout(Stdio::piped()))?;
        let output = child.stdout.take().map(BufReader::new);
        let mut running = Self {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            output,
            files: None,
        };
        let mut line = String::new();
        while let Some(output) = &mut running.output {
            line.clear();
            if output.read_line(&mut line)? == 0 {
                break;
            }
            if let Some(address) = line.trim().strip_prefix("listening on tcp://") {
                running.address = address.parse().map_err(io::Error::other)?;
                return Ok(running);
            }
        }
        Err(io::Error::other("it ended before it listened"))
    }

    /// For programs that take a file with settings and say nothing.
    fn start_silent(who: Contestant, program: &std::ffi::OsStr, cores: &Cores, place: Place) -> io::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let files = std::env::temp_dir().join(format!("burgee-compare-{}-{}", std::process::id(), address.port()));
        fs::create_dir_all(&files)?;
        let mut command = settings::command(who, program, address, &files)?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = cores.spawn(place, &mut command)?;
        let mut running = Self {
            child,
            address,
            output: None,
            files: Some(files),
        };
        let deadline = Instant::now() + PATIENCE;
        // They announce nothing: only trying tells.
        while TcpStream::connect(address).is_err() {
            if let Some(status) = running.child.try_wait()? {
                return Err(io::Error::other(format!("it ended at once: {status}")));
            }
            if Instant::now() > deadline {
                return Err(io::Error::other("it does not listen"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(running)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let ended = self.child.kill().and_then(|()| self.child.wait());
        if let Err(e) = ended {
            eprintln!("burgee-compare: ending the broker: {e}");
        }
        if let Some(files) = &self.files
            && let Err(e) = fs::remove_dir_all(files)
        {
            eprintln!("burgee-compare: {}: {e}", files.display());
        }
    }
}
