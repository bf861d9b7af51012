//! Files, certificates, the data directory and the ports.
//!
//! What must hold: files are only looked at; a port is taken for a moment only where nobody listens on it. Deliberately
//! absent: what is in them, where `check config` has said it.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use burgee_auth::MethodSettings;
use burgee_auth::password::exposure;
use burgee_broker::{Durability, Endpoint, Host, Listen, TlsContext};
use burgee_config::Checked;
use burgee_store_sqlite::{FormatNumber, format_of};

use super::Finding;

const DAY: Duration = Duration::from_secs(86_400);
/// Certificates that end sooner are told.
const SOON: u64 = 30;
/// Free bytes in the data directory below which something is said.
const LITTLE: u64 = 1 << 30;

pub(super) fn look(checked: &Checked) -> Vec<Finding> {
    let mut findings = secrets(checked);
    findings.extend(checked.broker.listeners.iter().flat_map(certificates));
    if let Durability::Kept { directory, .. } = &checked.broker.durability {
        findings.extend(data(directory));
    }
    let running = is_running(checked);
    findings.extend(
        checked
            .broker
            .listeners
            .iter()
            .flat_map(|listen| ports(listen, running)),
    );
    findings
}

/// Files that only their owner should get at.
fn secrets(checked: &Checked) -> Vec<Finding> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for method in &checked.broker.authentication.methods {
        if let MethodSettings::Passwords(path) = method {
            paths.push(path.clone());
        }
    }
    let tls = checked.broker.listeners.iter().filter_map(|listen| listen.tls.as_ref());
    paths.extend(tls.flat_map(|tls| tls.certificates.iter().map(|pair| pair.key.clone())));
    paths.sort();
    paths.dedup();
    let mut findings: Vec<_> = paths.iter().map(|path| secret(path)).collect();
    #[cfg(unix)]
    findings.extend(checked.file.as_deref().and_then(changeable));
    findings
}

fn secret(path: &Path) -> Finding {
    let Some(exposed) = exposure(path) else {
        return Finding::fine("files", format!("{} is its owner's alone", path.display()));
    };
    let what = exposed.to_string();
    let (what, way_out) = what.split_once("; the way out: ").unwrap_or((&what, ""));
    if exposed.is_serious() {
        Finding::wrong("files", what, way_out)
    } else {
        Finding::warning("files", what, way_out)
    }
}

/// Whoever may change the settings may have the broker read any file and listen anywhere.
#[cfg(unix)]
fn changeable(path: &Path) -> Option<Finding> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path).ok()?.permissions().mode();
    (mode & 0o002 != 0).then(|| {
        let what = format!("everybody on this machine may change {}", path.display());
        Finding::wrong("files", what, format!("chmod o-w {}", path.display()))
    })
}

fn certificates(listen: &Listen) -> Vec<Finding> {
    // That it cannot be loaded is said by the settings.
    let Some(context) = listen.tls.as_ref().and_then(|tls| TlsContext::load(tls).ok()) else {
        return Vec::new();
    };
    let now = SystemTime::now();
    let judge = |(path, until): &(PathBuf, SystemTime)| {
        let path = path.display();
        let way_out = "renew it; a running broker takes the new files over by itself";
        match until.duration_since(now) {
            Ok(left) if left < DAY * u32::try_from(SOON).unwrap_or(u32::MAX) => {
                let days = left.as_secs() / DAY.as_secs();
                Finding::warning("certificates", format!("{path} ends in {days} days"), way_out)
            }
            Ok(left) => {
                let days = left.as_secs() / DAY.as_secs();
                Finding::fine("certificates", format!("{path} is good for {days} days"))
            }
            Err(_) => Finding::wrong("certificates", format!("{path} has ended"), way_out),
        }
    };
    context.expires().iter().map(judge).collect()
}

/// The directory itself, or the nearest above it that is there.
fn existing(directory: &Path) -> &Path {
    let mut at = directory;
    while !at.exists() {
        match at.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => at = parent,
            _ => return Path::new("."),
        }
    }
    at
}

fn data(directory: &Path) -> Vec<Finding> {
    let shown = directory.display();
    let mut findings = Vec::new();
    if directory.join("burgee.db").exists() || directory.is_dir() {
        findings.push(store(directory));
        findings.extend(format(directory));
    } else {
        findings.push(Finding::fine(
            "data",
            format!("{shown} is not there yet: it is made at the start"),
        ));
    }
    #[cfg(unix)]
    findings.extend(disk(directory));
    findings
}

/// What the store's engine says without taking the directory away from a broker.
fn store(directory: &Path) -> Finding {
    let shown = directory.display();
    let newest = newest(directory);
    if newest.is_some_and(|at| at > SystemTime::now() + Duration::from_secs(60)) {
        return Finding::warning(
            "clock",
            format!("files in {shown} are from the future: the clock was set back"),
            "set the clock by NTP; expiry counts from what it says",
        );
    }
    Finding::fine(
        "data",
        format!("{shown} is there; burgee store check says whether it is whole"),
    )
}

/// The format of the store, and whether this program can use it.
fn format(directory: &Path) -> Option<Finding> {
    let shown = directory.display();
    match format_of(directory) {
        Ok(None) => None,
        Ok(Some(FormatNumber { found, known })) if found == known => Some(Finding::fine(
            "data",
            format!("the store in {shown} has format {found}, the newest"),
        )),
        Ok(Some(FormatNumber { found, known })) if found < known => Some(Finding::warning(
            "data",
            format!("the store in {shown} has format {found}: the next start makes format {known} of it"),
            "where you may want to go back to the older program: burgee store backup with that one first",
        )),
        Ok(Some(FormatNumber { found, known })) => Some(Finding::wrong(
            "data",
            format!("the store in {shown} has format {found}, and this program knows up to {known}"),
            "use the newer program that has written it, or another directory",
        )),
        Err(error) => Some(Finding::wrong(
            "data",
            format!("the format of the store in {shown} cannot be read: {error}"),
            "burgee store check says more",
        )),
    }
}

fn newest(directory: &Path) -> Option<SystemTime> {
    let entries = fs::read_dir(directory).ok()?;
    entries
        .filter_map(|entry| entry.ok()?.metadata().ok()?.modified().ok())
        .max()
}

#[cfg(unix)]
fn disk(directory: &Path) -> Vec<Finding> {
    use rustix::fs::{Access, AtFlags, CWD, accessat, statvfs};
    let at = existing(directory);
    let shown = at.display();
    let mut findings = Vec::new();
    if accessat(CWD, at, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS).is_err() {
        let way_out = "run this as the user that the broker runs as, or give the directory to that user";
        findings.push(Finding::wrong(
            "data",
            format!("this user may not write to {shown}"),
            way_out,
        ));
    }
    if let Ok(room) = statvfs(at) {
        let (free, all) = (room.f_bavail * room.f_frsize, room.f_blocks * room.f_frsize);
        let told = format!("{} MiB of {} MiB are free at {shown}", free >> 20, all >> 20);
        findings.push(if free < LITTLE || free < all / 20 {
            let way_out = "make room: when the disk is full, nothing more is acknowledged that has to be kept";
            Finding::warning("disk", told, way_out)
        } else {
            Finding::fine("disk", told)
        });
    }
    findings.extend(file_system(at));
    findings
}

/// File systems on which a sync does not mean what the broker promises.
#[cfg(target_os = "linux")]
fn file_system(at: &Path) -> Option<Finding> {
    const KNOWN: &[(i64, &str, &str)] = &[
        (
            0x0102_1994,
            "tmpfs",
            "it is memory: nothing survives the end of the machine",
        ),
        (
            0x8584_58f6,
            "ramfs",
            "it is memory: nothing survives the end of the machine",
        ),
        (0x794c_7630, "overlay", "it goes with the container, and syncs are slow"),
        (0x6969, "nfs", "locks and syncs are the server's to keep"),
        (0xff53_4d42, "cifs", "locks and syncs are the server's to keep"),
        (0x6573_5546, "fuse", "what a sync means is the driver's to say"),
    ];
    let found = rustix::fs::statfs(at).ok()?;
    let kind = found.f_type;
    let shown = at.display();
    Some(match KNOWN.iter().find(|(known, ..)| *known == kind) {
        Some((_, name, why)) => {
            let way_out = "put the data on a local disk (in a container: a volume), or set durability to what holds";
            Finding::warning("disk", format!("{shown} is on {name}: {why}"), way_out)
        }
        None => Finding::fine("disk", format!("{shown} is on a local file system (type {kind:#x})")),
    })
}

#[cfg(all(unix, not(target_os = "linux")))]
fn file_system(_: &Path) -> Option<Finding> {
    None
}

/// A broker has the data directory, so the ports may be its own.
#[cfg(unix)]
fn is_running(checked: &Checked) -> bool {
    let Durability::Kept { directory, .. } = &checked.broker.durability else {
        return false;
    };
    std::os::unix::net::UnixStream::connect(directory.join("control.sock")).is_ok()
}

#[cfg(not(unix))]
fn is_running(_: &Checked) -> bool {
    false
}

fn ports(listen: &Listen, running: bool) -> Vec<Finding> {
    let Endpoint::Inet { host, port } = listen.url.endpoint() else {
        return Vec::new();
    };
    let addresses: Vec<SocketAddr> = match host {
        Host::Address(address) => vec![(*address, *port).into()],
        Host::Name(name) => match (&**name, *port).to_socket_addrs() {
            Ok(found) => found.collect(),
            Err(error) => {
                let way_out = "name an address, or mend the name's resolution";
                return vec![Finding::wrong(
                    "ports",
                    format!("{name} has no address: {error}"),
                    way_out,
                )];
            }
        },
    };
    addresses
        .into_iter()
        .map(|address| port_of(address, listen, running))
        .collect()
}

fn port_of(address: SocketAddr, listen: &Listen, running: bool) -> Finding {
    let url = &listen.url;
    match TcpListener::bind(address) {
        Ok(_) => Finding::fine("ports", format!("{url}: {address} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && running => Finding::fine(
            "ports",
            format!("{url}: {address} is in use, and a broker runs on the data directory"),
        ),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let way_out = "stop the other program (ss -ltnp shows it), or choose another port";
            Finding::wrong("ports", format!("{url}: another program has {address}"), way_out)
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let way_out = "choose a port from 1024 on, or give the service CAP_NET_BIND_SERVICE";
            Finding::wrong(
                "ports",
                format!("{url}: this user may not listen on {address}"),
                way_out,
            )
        }
        Err(error) if listen.optional => {
            Finding::warning("ports", format!("{url}: {error}"), "it is left out: optional")
        }
        Err(error) => Finding::wrong("ports", format!("{url}: {error}"), "name an address that this host has"),
    }
}
