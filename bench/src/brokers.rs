//! The contestants: how each is started on a core of its own, and ended.
//!
//! Must hold: a contestant listens on loopback only and keeps nothing on disk; what was started here is ended here,
//! by its process identifier, also when a run fails.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broker {
    Burgee,
    Mosquitto,
    /// The floor: [`crate::relay`].
    Relay,
}

impl Broker {
    pub(crate) const ALL: [Self; 3] = [Self::Burgee, Self::Mosquitto, Self::Relay];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Burgee => "burgee",
            Self::Mosquitto => "mosquitto",
            Self::Relay => "relay",
        }
    }
}

/// The cores: one for the broker, one for the generator.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cores {
    broker: usize,
    generator: usize,
}

impl Cores {
    /// The first two cores that this process may use.
    pub(crate) fn choose() -> io::Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core));
        let broker = cores.next().unwrap_or_default();
        let generator = cores.next().unwrap_or(broker);
        if broker == generator {
            eprintln!("burgee-bench: one core only: broker and generator share it, figures will be worse than true");
        }
        Ok(Self { broker, generator })
    }

    fn pin(core: usize) -> io::Result<()> {
        let mut set = CpuSet::new();
        set.set(core);
        Ok(sched_setaffinity(None, &set)?)
    }

    /// Starts a process on the broker's core and moves this thread to the generator's.
    fn spawn(self, command: &mut Command) -> io::Result<Child> {
        // A child inherits the cores of the thread that starts it: no tool is needed to pin it.
        Self::pin(self.broker)?;
        let child = command.spawn();
        Self::pin(self.generator)?;
        child.map_err(|e| {
            io::Error::new(
                e.kind(),
                format!("cannot start {}: {e}", command.get_program().display()),
            )
        })
    }
}

/// A contestant that runs and answers; ended when dropped.
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
    pub(crate) fn start(broker: Broker, cores: Cores) -> io::Result<Self> {
        match broker {
            Broker::Burgee => {
                let mut command = Command::new(burgee()?);
                command.args([
                    "serve",
                    "--listen",
                    "tcp://127.0.0.1:0",
                    "--shards",
                    "1",
                    "--sys-interval",
                    "0",
                ]);
                Self::start_announced(command, cores)
            }
            Broker::Relay => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg("relay");
                Self::start_announced(command, cores)
            }
            Broker::Mosquitto => Self::start_mosquitto(cores),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// For programs that print `listening on tcp://ADDRESS` once they do.
    fn start_announced(mut command: Command, cores: Cores) -> io::Result<Self> {
        let mut child = cores.spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()))?;
        let output = child.stdout.take().map(BufReader::new);
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut running = Self {
            child,
            address,
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
        Err(io::Error::other("the broker ended before it listened"))
    }

    fn start_mosquitto(cores: Cores) -> io::Result<Self> {
        let directory = std::env::temp_dir().join(format!("burgee-bench-{}", std::process::id()));
        fs::create_dir_all(&directory)?;
        let path = directory.join("mosquitto.conf");
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        fs::write(&path, mosquitto_settings(address))?;
        let mut command = Command::new(mosquitto());
        command.arg("-c").arg(&path).stdin(Stdio::null()).stdout(Stdio::null());
        let child = cores.spawn(&mut command)?;
        let mut running = Self {
            child,
            address,
            output: None,
            files: Some(directory),
        };
        let deadline = Instant::now() + Duration::from_secs(10);
        // Mosquitto announces nothing: only trying tells.
        while TcpStream::connect(address).is_err() {
            if let Some(status) = running.child.try_wait()? {
                return Err(io::Error::other(format!("mosquitto ended at once: {status}")));
            }
            if Instant::now() > deadline {
                return Err(io::Error::other("mosquitto does not listen"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(running)
    }

    /// Asks it to end, insists after ten seconds.
    fn end(&mut self) -> io::Result<()> {
        let asked = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(process) = asked {
            kill_process(process, Signal::TERM)?;
        }
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                self.child.kill()?;
                self.child.wait()?;
                return Err(io::Error::other("it did not end when asked to and was killed"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Err(e) = self.end() {
            eprintln!("burgee-bench: ending the broker: {e}");
        }
        if let Some(files) = &self.files
            && let Err(e) = fs::remove_dir_all(files)
        {
            eprintln!("burgee-bench: {}: {e}", files.display());
        }
    }
}

/// Mosquitto with nothing in the way of speed, and with the same window as burgee.
fn mosquitto_settings(address: SocketAddr) -> String {
    format!(
        "listener {} {}\n\
         allow_anonymous true\n\
         set_tcp_nodelay true\n\
         persistence false\n\
         max_inflight_messages 100\n\
         max_queued_messages 1000000\n\
         max_connections -1\n\
         sys_interval 0\n\
         log_dest none\n",
        address.port(),
        address.ip()
    )
}

fn mosquitto() -> PathBuf {
    // Debian puts it where a user's PATH may not look.
    let debian = Path::new("/usr/sbin/mosquitto");
    if debian.exists() {
        debian.to_owned()
    } else {
        PathBuf::from("mosquitto")
    }
}

/// Mosquitto's version as it says it itself.
pub(crate) fn mosquitto_version() -> io::Result<String> {
    let output = Command::new(mosquitto()).arg("-h").output();
    let output = output.map_err(|e| {
        io::Error::new(
            e.kind(),
            format!("mosquitto: {e}. Install it: apt-get install mosquitto"),
        )
    })?;
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .next()
        .unwrap_or("mosquitto")
        .replace(" version", ""))
}

/// Where the release binary of burgee is: `BURGEE_BIN`, or beside this one.
fn burgee() -> io::Result<PathBuf> {
    if let Some(path) = std::env::var_os("BURGEE_BIN") {
        return Ok(path.into());
    }
    let beside = std::env::current_exe()?.with_file_name("burgee");
    if beside.exists() {
        Ok(beside)
    } else {
        Err(io::Error::other(format!("{}: not built yet", beside.display())))
    }
}

/// Builds burgee anew when run by cargo and not told of a binary, so that no stale one is measured.
pub(crate) fn build_burgee() -> io::Result<()> {
    let (None, Some(cargo)) = (std::env::var_os("BURGEE_BIN"), std::env::var_os("CARGO")) else {
        return Ok(());
    };
    let status = Command::new(cargo)
        .args(["build", "--release", "--quiet", "-p", "burgee"])
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other("burgee does not build"))
    }
}
