//! The settings of the other brokers: small messages sent at once where that is an option, limits out of the way,
//! nothing logged.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::contestant::Contestant;

/// How a broker is started, with its settings written into a directory of its own.
pub(super) fn command(who: Contestant, program: &OsStr, address: SocketAddr, files: &Path) -> io::Result<Command> {
    let path = files.join("settings");
    let mut command = Command::new(program);
    match who {
        Contestant::Mosquitto => {
            fs::write(&path, mosquitto(address))?;
            command.arg("-c").arg(path);
        }
        Contestant::Rumqttd => {
            let path = path.with_extension("toml");
            fs::write(&path, rumqttd(address))?;
            command.arg("--quiet").arg("-c").arg(path);
        }
        Contestant::Nats => {
            fs::write(&path, nats(address, files))?;
            command.arg("-c").arg(path);
        }
        Contestant::Aedes => {
            command = Command::new("node");
            command.arg(program).arg(address.port().to_string());
        }
        Contestant::Burgee | Contestant::Sharded | Contestant::Floor => {}
    }
    Ok(command)
}

fn mosquitto(address: SocketAddr) -> String {
    format!(
        "listener {} {}\n\
         allow_anonymous true\n\
         set_tcp_nodelay true\n\
         persistence false\n\
         max_inflight_messages 100\n\
         max_queued_messages 1000000\n\
         max_queued_bytes 0\n\
         max_connections -1\n\
         sys_interval 0\n\
         log_dest none\n",
        address.port(),
        address.ip()
    )
}

/// It has no option for `TCP_NODELAY`. Segments are its queue: as large as its documentation proposes.
fn rumqttd(address: SocketAddr) -> String {
    format!(
        "id = 0\n\
         [router]\n\
         id = 0\n\
         max_connections = 20000\n\
         max_outgoing_packet_count = 200\n\
         max_segment_size = 104857600\n\
         max_segment_count = 10\n\
         [v4.1]\n\
         name = \"v4-1\"\n\
         listen = \"{address}\"\n\
         next_connection_delay_ms = 0\n\
         [v4.1.connections]\n\
         connection_timeout_ms = 60000\n\
         max_payload_size = 10485760\n\
         max_inflight_count = 100\n\
         dynamic_filters = true\n"
    )
}

/// MQTT stands on its streams, which stand on disk. It sets `TCP_NODELAY` always.
fn nats(address: SocketAddr, files: &Path) -> String {
    let mut store = files.display().to_string();
    store.push_str("/store");
    format!(
        "server_name: compare\n\
         listen: \"127.0.0.1:-1\"\n\
         max_connections: 100000\n\
         max_payload: 8MB\n\
         max_pending: 1GB\n\
         logfile: \"/dev/null\"\n\
         jetstream {{ store_dir: {store:?} }}\n\
         mqtt {{ host: \"{}\", port: {}, max_ack_pending: 1000 }}\n",
        address.ip(),
        address.port()
    )
}
