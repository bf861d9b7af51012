//! The oracle: a small model of what MQTT 3.1.1 and our decisions promise, and the judge of every turn.
//!
//! It stands at the doors of the shards. There the story has one order: which bytes a shard has taken, and then which
//! bytes it wants to send. So there are few windows of uncertainty; where one is left, both outcomes are allowed.
//! What must hold: it shares nothing with the broker but the codec. Deliberately absent: how a broker does it.

mod age;
mod copies;
mod debts;
mod door;
mod found;
mod groups;
mod history;
mod inflow;
mod judge;
mod lawful;
mod outflow;
mod pace;
mod recovery;
mod resume;
mod room;
mod routing;
mod sending;
mod state;
mod sure;
mod waits;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use burgee_codec::QoS;
use burgee_core::Rate;
use burgee_core::io::{CloseMode, End};

use crate::house::House;
use crate::law::Law;
use crate::net::LinkId;

/// The shard of a connection that has left one and has not come to the other.
const ON_ITS_WAY: u16 = u16::MAX;
/// Answers to what came before DISCONNECT are waited for so long, in milliseconds.
const LINGERS_MS: u64 = 6_000;
use age::Ages;
use door::Door;
pub use found::{Found, FoundSession};
use groups::Groups;
use history::History;
use lawful::Laws;
use pace::Pace;
pub use room::Memory;
use room::Room;
pub(crate) use routing::matches;
use state::{Cause, Conn, Message, MessageNo, Session, SessionNo, Will};
pub use waits::Told;

/// What the judge says: nothing, or what is wrong.
pub type Verdict = Result<(), String>;

/// One input of a turn, as the shard took it.
#[derive(Debug)]
pub enum Seen {
    /// A new connection.
    Accepted(LinkId),
    /// Bytes were offered.
    Bytes {
        /// Whose.
        link: LinkId,
        /// All that was offered.
        bytes: Vec<u8>,
        /// How many were taken.
        used: usize,
    },
    /// The end of a connection.
    Ended(LinkId, End),
    /// The broker ends.
    Shutdown,
    /// Nothing more can be kept.
    StoreFailed,
    /// Another law of the world is in force from here on.
    Law(usize),
    /// And other settings, of this number.
    Edition(usize),
    /// What was said of a login.
    Verdict(LinkId, Told),
    /// Anything that the oracle need not know.
    Other,
}

/// A turn, from the outside.
#[derive(Debug, Default)]
pub struct Turn {
    /// Whose.
    pub shard: u16,
    /// When.
    pub now: u64,
    /// What went in, in order.
    pub inputs: Vec<Seen>,
    /// Bytes put into outboxes.
    pub outputs: Vec<(LinkId, Vec<u8>)>,
    /// Connections that are to be closed.
    pub closes: Vec<(LinkId, CloseMode)>,
    /// Connections that moved away.
    pub moves: Vec<LinkId>,
    /// CONNECTs that somebody is asked about.
    pub asks: Vec<LinkId>,
    /// Whom a reload sent away, in order.
    pub dismissed: Vec<LinkId>,
    /// Connections that the shard did not want to read before this turn.
    pub paused: Vec<LinkId>,
    /// Sessions and messages that the shard has given up for their age since it started.
    pub given_up: (u64, u64),
    /// What was there before it, and what the shard says of it.
    pub memory: Memory,
}

/// What the oracle has to know about the world.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact about a world")]
pub struct Rules {
    /// Unacknowledged messages to one session.
    pub window: usize,
    /// Time for CONNECT, in milliseconds.
    pub connect_timeout: u64,
    /// Largest remaining length.
    pub max_packet: u32,
    /// Largest remaining length of a CONNECT.
    pub max_connect: u32,
    /// Retained messages.
    pub max_retained: usize,
    /// No limit is ever reached: nothing may be dropped.
    pub ample: bool,
    /// Retained messages of a new subscription are all looked at in the same turn.
    pub prompt_replay: bool,
    /// Nothing travels between shards, and no fan-out takes more than one turn.
    pub no_delay: bool,
    /// There are shared subscriptions.
    pub shared: bool,
    /// A shard may wake up so much later than it wanted, in milliseconds.
    pub lateness: u64,
    /// What is acknowledged survives a crash.
    pub durable: bool,
    /// How fast each connection may publish, but for the world's last law.
    pub rate: Option<Rate>,
    /// How long a session outlives its connection, in milliseconds; 0: for ever.
    pub session_expiry: u64,
    /// How long a message waits for a client, in milliseconds; 0: for ever.
    pub message_expiry: u64,
    /// Time that mail takes, at most, in milliseconds.
    pub mail_ms: u64,
    /// Bytes of one shard for what clients send; `None`: no limit.
    pub memory_limit: Option<u64>,
    /// There is one shard.
    pub alone: bool,
    /// The largest packet that a client sends, in bytes.
    pub largest: u64,
}

/// See the module.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of yes and no")]
pub struct Oracle {
    rules: Rules,
    laws: Laws,
    pace: Pace,
    ages: Ages,
    room: Room,
    door: Door,
    now: u64,
    shard: u16,
    conns: BTreeMap<LinkId, Conn>,
    sessions: Vec<Session>,
    by_client: BTreeMap<String, SessionNo>,
    messages: Vec<Message>,
    by_payload: BTreeMap<Rc<[u8]>, Vec<MessageNo>>,
    groups: Groups,
    retained: BTreeMap<String, MessageNo>,
    /// What may be retained on the disk.
    kept_retained: BTreeMap<String, History<Option<MessageNo>>>,
    /// Wills that a restart publishes: the shard, whose, and which.
    testaments: Vec<(u16, SessionNo, Will)>,
    /// The broker has crashed before.
    crashed: bool,
    /// Shards that know that the disk has failed.
    without_disk: BTreeSet<u16>,
    /// When the first of them learned it.
    disk_lost: Option<u64>,
    /// That has ever happened: then some packets were taken, and others with them were not.
    has_failed: bool,
    /// SUBSCRIBEs and UNSUBSCRIBEs so far.
    questions: u64,
    /// In this turn: what the shard wants to close.
    closing: BTreeSet<LinkId>,
    /// In this turn: to whom it says that it cannot serve them.
    refused: BTreeSet<LinkId>,
    /// In this turn: about whom it asks.
    asks: BTreeSet<LinkId>,
    /// In this turn: what it has to close.
    must_close: BTreeSet<LinkId>,
    /// Connections that were left in peace and still get their answers, and since when.
    leavers: BTreeMap<LinkId, u64>,
    /// In this turn something ended at a time that cannot be told from outside.
    vague: bool,
    busy_turn: bool,
    /// Shards that are ending.
    ending: BTreeSet<u16>,
    /// Copies of QoS 1 and 2 that ended with their session, and may have been dropped before.
    gone: u64,
    /// The same for QoS 0 and connections.
    gone_unacknowledged: u64,
    /// Messages for `$SYS/...` that clients sent.
    denied: u64,
    /// What was checked, for those who want to know that the run was not idle.
    pub tally: Tally,
}

/// How much a run has seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Messages taken from clients, wills included.
    pub messages: u64,
    /// First deliveries.
    pub deliveries: u64,
    /// Repeated deliveries.
    pub repeats: u64,
    /// Deliveries of retained messages.
    pub retained: u64,
    /// Sessions resumed.
    pub resumed: u64,
    /// Takeovers.
    pub takeovers: u64,
    /// Wills published.
    pub wills: u64,
    /// Violations answered.
    pub violations: u64,
    /// Connections given up for silence.
    pub timeouts: u64,
    /// Crashes and restarts.
    pub crashes: u64,
    /// Messages, filters and wills that rules forbade.
    pub forbidden: u64,
    /// Connections that a reload sent away.
    pub dismissed: u64,
    /// CONNECTs that had to wait because of a fight.
    pub fights: u64,
    /// CONNECTs that were refused because of their user, or a limit.
    pub refused: u64,
    /// Times that a client was not read because it published too fast.
    pub slowed: u64,
    /// Sessions that a restart found.
    pub recovered: u64,
    /// Sessions of the nameless that a user has got.
    pub claimed: u64,
    /// Messages that a restart found, each session's.
    pub recovered_messages: u64,
    /// Messages that applications handed in to the library.
    pub handed: u64,
    /// Messages that the library's streams gave.
    pub taken: u64,
    /// Programs with the library that died.
    pub deaths: u64,
    /// Sessions whose clients stayed away for too long.
    pub expired_sessions: u64,
    /// Messages that waited for too long.
    pub expired_messages: u64,
    /// Messages, and newcomers, that the memory limit cost.
    pub squeezed: u64,
}

impl Tally {
    /// Adds another run's.
    pub const fn add(&mut self, other: &Self) {
        self.messages += other.messages;
        self.deliveries += other.deliveries;
        self.repeats += other.repeats;
        self.retained += other.retained;
        self.resumed += other.resumed;
        self.takeovers += other.takeovers;
        self.wills += other.wills;
        self.violations += other.violations;
        self.timeouts += other.timeouts;
        self.crashes += other.crashes;
        self.forbidden += other.forbidden;
        self.dismissed += other.dismissed;
        self.fights += other.fights;
        self.refused += other.refused;
        self.slowed += other.slowed;
        self.recovered += other.recovered;
        self.claimed += other.claimed;
        self.recovered_messages += other.recovered_messages;
        self.handed += other.handed;
        self.taken += other.taken;
        self.deaths += other.deaths;
        self.expired_sessions += other.expired_sessions;
        self.expired_messages += other.expired_messages;
        self.squeezed += other.squeezed;
    }
}

impl Oracle {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(rules: Rules, laws: Vec<Law>, house: Option<Arc<House>>) -> Self {
        Self {
            pace: Pace::new(rules.rate),
            rules,
            laws: Laws::new(laws),
            ages: Ages::default(),
            room: Room::default(),
            door: Door::new(house),
            now: 0,
            shard: 0,
            conns: BTreeMap::new(),
            sessions: Vec::new(),
            by_client: BTreeMap::new(),
            messages: Vec::new(),
            by_payload: BTreeMap::new(),
            groups: Groups::default(),
            retained: BTreeMap::new(),
            kept_retained: BTreeMap::new(),
            testaments: Vec::new(),
            crashed: false,
            without_disk: BTreeSet::new(),
            disk_lost: None,
            has_failed: false,
            questions: 0,
            closing: BTreeSet::new(),
            refused: BTreeSet::new(),
            asks: BTreeSet::new(),
            must_close: BTreeSet::new(),
            leavers: BTreeMap::new(),
            vague: false,
            busy_turn: false,
            ending: BTreeSet::new(),
            gone: 0,
            gone_unacknowledged: 0,
            denied: 0,
            tally: Tally::default(),
        }
    }

    /// Judges one turn.
    ///
    /// # Errors
    /// The shard did what it must not do, or did not do what it must.
    pub fn turn(&mut self, turn: &Turn) -> Verdict {
        self.now = turn.now;
        self.shard = turn.shard;
        self.closing = turn.closes.iter().map(|(link, _)| *link).collect();
        let refused = |bytes: &[u8]| bytes.starts_with(&[0x20, 2, 0, 3]);
        let refused = turn.outputs.iter().filter(|(_, bytes)| refused(bytes));
        self.refused = refused.map(|(link, _)| *link).collect();
        self.asks = turn.asks.iter().copied().collect();
        self.busy_turn = turn.inputs.iter().any(|input| !matches!(input, Seen::Other));
        if self.closing.len() != turn.closes.len() {
            return Err("a connection is closed twice".to_owned());
        }
        self.grow_older();
        self.look_for_room(turn)?;
        self.open_testaments();
        for (place, input) in turn.inputs.iter().enumerate() {
            self.take(input, turn, place)?;
        }
        self.explain_closes(turn)?;
        self.look_for_old();
        self.check_outputs(turn)?;
        self.check_silence(turn)?;
        self.check_closed()?;
        self.check_leavers()?;
        self.check_ages(turn)?;
        for link in &turn.moves {
            if let Some(conn) = self.conns.get_mut(link) {
                conn.shard = ON_ITS_WAY;
            }
        }
        self.end_of_turn();
        Ok(())
    }

    fn take(&mut self, input: &Seen, turn: &Turn, place: usize) -> Verdict {
        match input {
            Seen::Accepted(link) => {
                // A connection that moved has waited already; its time goes on.
                self.conns
                    .entry(*link)
                    .or_insert_with(|| Conn::new(turn.shard, turn.now));
                self.arrived(*link);
                Ok(())
            }
            Seen::Bytes { link, bytes, used } => {
                if turn.moves.contains(link) {
                    return if *used == 0 {
                        Ok(())
                    } else {
                        Err(format!("link {link} moved, its bytes did not"))
                    };
                }
                let later = turn.inputs.iter().skip(place + 1);
                let more = later
                    .into_iter()
                    .any(|other| matches!(other, Seen::Bytes { link: same, .. } if same == link));
                self.bytes(*link, bytes, *used, !more)
            }
            Seen::Ended(link, _) => self.ends(*link, Cause::Ended),
            Seen::Shutdown => {
                self.end_of_shard();
                Ok(())
            }
            Seen::StoreFailed => {
                self.without_disk.insert(turn.shard);
                self.disk_lost.get_or_insert(turn.now);
                self.has_failed = true;
                Ok(())
            }
            Seen::Law(number) => {
                self.new_law(*number);
                Ok(())
            }
            Seen::Edition(number) => self.new_edition(*number, turn),
            Seen::Verdict(link, told) => {
                self.was_told(*link, told);
                Ok(())
            }
            Seen::Other => Ok(()),
        }
    }

    /// Whoever is closed without a reason in this turn's inputs must have been silent for too long.
    fn explain_closes(&mut self, turn: &Turn) -> Verdict {
        let mut relieves = self.relieves();
        for (link, mode) in &turn.closes {
            let Some(conn) = self.conns.get(link) else {
                return Err(format!("link {link} is closed and unknown"));
            };
            if conn.closed.is_some() {
                continue;
            }
            let cause = if conn.session.is_none() {
                Cause::ConnectTimeout
            } else {
                Cause::KeepAlive
            };
            let ending = self.ending.contains(&turn.shard);
            let cause = if ending { Cause::Shutdown } else { cause };
            // Whoever wants what needs the disk cannot be served any more.
            let ending = ending || self.without_disk.contains(&turn.shard);
            let ending = ending || std::mem::take(&mut relieves);
            let due = conn.due(self.rules.connect_timeout);
            if !ending && due.is_none_or(|due| turn.now < due) {
                let client = &conn.client;
                return Err(format!(
                    "link {link} ({client:?}) is closed ({mode:?}) without a reason; its silence counts from {} (due {due:?})",
                    conn.last_packet
                ));
            }
            if cause == Cause::ConnectTimeout {
                self.check_lost(*link)?;
            }
            self.tally.timeouts += u64::from(!ending);
            self.vague = self.busy_turn;
            self.ends(*link, cause)?;
        }
        Ok(())
    }

    /// Nobody is silent for longer than allowed.
    fn check_silence(&mut self, turn: &Turn) -> Verdict {
        for link in &turn.paused {
            if let Some(conn) = self.conns.get_mut(link) {
                conn.unread = turn.now;
            }
        }
        let here = self
            .conns
            .iter()
            .filter(|(_, conn)| conn.shard == self.shard && conn.closed.is_none());
        for (link, conn) in here {
            let latest = conn
                .latest(self.rules.connect_timeout)
                .map(|due| due.max(conn.kept_silent()) + 500 + self.rules.lateness);
            if latest.is_some_and(|latest| self.now > latest) && !self.ending.contains(&self.shard) {
                let client = &conn.client;
                return Err(format!(
                    "link {link} ({client:?}) is silent since {} and still open",
                    conn.last_packet
                ));
            }
        }
        Ok(())
    }

    /// Who has to be closed is.
    fn check_closed(&mut self) -> Verdict {
        let refused = |conn: &Conn| conn.closed == Some(Cause::Refused) && conn.answers.connack.is_some();
        if let Some((link, conn)) = self.conns.iter().find(|(_, conn)| refused(conn)) {
            let due = conn.answers.connack;
            return Err(format!("link {link} is refused and not told so: {due:?}"));
        }
        for link in std::mem::take(&mut self.must_close) {
            if !self.closing.contains(&link) {
                let cause = self.conns.get(&link).and_then(|conn| conn.closed);
                return Err(format!("link {link} stays open after {cause:?}"));
            }
        }
        Ok(())
    }

    /// Where answers wait for the disk, a client that leaves in peace still gets them.
    fn may_linger(&self, link: LinkId, cause: Cause) -> bool {
        let waits = self
            .conns
            .get(&link)
            .is_some_and(|conn| conn.answers.outstanding().is_some());
        self.rules.durable && cause == Cause::Disconnect && waits && !self.closing.contains(&link)
    }

    /// Nobody who left stays open for long.
    fn check_leavers(&mut self) -> Verdict {
        let closing = &self.closing;
        self.leavers.retain(|link, _| !closing.contains(link));
        match self.leavers.iter().find(|(_, since)| self.now > **since + LINGERS_MS) {
            Some((link, since)) => Err(format!("link {link} has said DISCONNECT at {since} and is still open")),
            None => Ok(()),
        }
    }

    fn end_of_turn(&mut self) {
        let leavers = &self.leavers;
        self.conns
            .retain(|link, conn| conn.closed.is_none() || leavers.contains_key(link));
        self.closing.clear();
        self.vague = false;
        self.end_of_laws();
        if self.rules.prompt_replay {
            for session in &mut self.sessions {
                // As long as the window is full the broker waits with the rest.
                let waiting = session.owed.iter().filter(|owed| owed.qos > QoS::AtMostOnce).count();
                if session.flights.len() + waiting < self.rules.window {
                    session.replays.retain(|replay| !replay.wanted.is_empty());
                    session.replays.iter_mut().for_each(|replay| replay.open = false);
                }
            }
        }
    }

    /// What a client is subscribed to.
    #[must_use]
    pub fn filters_of(&self, client: &str) -> BTreeMap<String, QoS> {
        let number = self.by_client.get(client);
        let session = number.and_then(|number| self.sessions.get(*number));
        session.map(|session| session.filters.clone()).unwrap_or_default()
    }

    fn session(&mut self, session: SessionNo) -> &mut Session {
        self.sessions.get_mut(session).expect("sessions stay in the list")
    }

    fn message(&self, message: MessageNo) -> &Message {
        self.messages.get(message).expect("messages stay in the list")
    }
}
