//! The tables, and the words that write them. `docs/store.md` describes them to the field: change both, and the version.
//!
//! What must hold: every row carries `sum`, over all its columns. Keys are what is looked for; no table needs another
//! index but that of client identifiers.

/// "BRGE": says that a database is a store of ours.
pub(crate) const APPLICATION: i64 = 0x4252_4745;

/// The version of the format.
pub(crate) const VERSION: i64 = 3;

/// What later versions added to the tables of version 1, at the end of their columns: version, table and column. An older
/// store gets them when it is opened; its sums stay right, because what is not there is not summed.
pub(crate) const ADDED: [(i64, &str, &str); 4] = [
    (2, "session", "user TEXT"),
    (2, "sub", "replay TEXT"),
    (2, "retained", "stamp INTEGER NOT NULL DEFAULT 0"),
    (3, "meta", "counted INTEGER NOT NULL DEFAULT 0"),
];

pub(crate) const TABLES: &str = "
CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    next_session INTEGER NOT NULL, next_message INTEGER NOT NULL,
    sessions INTEGER NOT NULL, subs INTEGER NOT NULL, received INTEGER NOT NULL, wills INTEGER NOT NULL,
    messages INTEGER NOT NULL, message_bytes INTEGER NOT NULL,
    cursors INTEGER NOT NULL, deliveries INTEGER NOT NULL,
    retained INTEGER NOT NULL, retained_bytes INTEGER NOT NULL,
    sum INTEGER NOT NULL, counted INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE session (
    no INTEGER PRIMARY KEY, client_id TEXT NOT NULL UNIQUE, sum INTEGER NOT NULL, user TEXT
);
CREATE TABLE sub (
    session INTEGER NOT NULL, filter TEXT NOT NULL, qos INTEGER NOT NULL, sum INTEGER NOT NULL, replay TEXT,
    PRIMARY KEY (session, filter)
) WITHOUT ROWID;
CREATE TABLE qos2in (
    session INTEGER NOT NULL, id INTEGER NOT NULL, sum INTEGER NOT NULL,
    PRIMARY KEY (session, id)
) WITHOUT ROWID;
CREATE TABLE will (
    session INTEGER PRIMARY KEY, qos INTEGER NOT NULL, retain INTEGER NOT NULL, body BLOB NOT NULL,
    sum INTEGER NOT NULL
);
CREATE TABLE msg (
    id INTEGER PRIMARY KEY, head BLOB NOT NULL, body BLOB NOT NULL
);
CREATE TABLE cursor (
    session INTEGER NOT NULL, source INTEGER NOT NULL, floor INTEGER NOT NULL, done BLOB NOT NULL,
    sum INTEGER NOT NULL,
    PRIMARY KEY (session, source)
) WITHOUT ROWID;
CREATE TABLE out (
    session INTEGER NOT NULL, message INTEGER NOT NULL, id INTEGER NOT NULL, stage INTEGER NOT NULL,
    sum INTEGER NOT NULL,
    PRIMARY KEY (session, message)
) WITHOUT ROWID;
CREATE TABLE retained (
    topic TEXT PRIMARY KEY, qos INTEGER NOT NULL, payload BLOB NOT NULL, sum INTEGER NOT NULL,
    stamp INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
";

/// The letter of a table in the sums of its rows.
pub(crate) mod letter {
    pub(crate) const META: u8 = b'm';
    pub(crate) const SESSION: u8 = b's';
    pub(crate) const SUB: u8 = b'f';
    pub(crate) const QOS2IN: u8 = b'i';
    pub(crate) const WILL: u8 = b'w';
    pub(crate) const CURSOR: u8 = b'c';
    pub(crate) const OUT: u8 = b'o';
    pub(crate) const RETAINED: u8 = b'r';
}

pub(crate) const META_WRITE: &str = "REPLACE INTO meta VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

pub(crate) const SESSION_ADD: &str = "INSERT INTO session VALUES (?, ?, ?, ?)";
pub(crate) const SESSION_CLIENT: &str = "SELECT client_id FROM session WHERE no = ?";
pub(crate) const SESSION_CLAIM: &str = "UPDATE session SET sum = ?2, user = ?3 WHERE no = ?1";
pub(crate) const SESSION_REMOVE: &str = "DELETE FROM session WHERE no = ?";

pub(crate) const SUB_QOS: &str = "SELECT qos FROM sub WHERE session = ? AND filter = ?";
pub(crate) const SUB_CHANGE: &str = "UPDATE sub SET qos = ?3, sum = ?4, replay = ?5 WHERE session = ?1 AND filter = ?2";
pub(crate) const SUB_ADD: &str = "INSERT INTO sub VALUES (?, ?, ?, ?, ?)";
pub(crate) const SUB_REMOVE: &str = "DELETE FROM sub WHERE session = ? AND filter = ?";
pub(crate) const SUB_CLEAR: &str = "DELETE FROM sub WHERE session = ?";

pub(crate) const QOS2IN_ALL: &str = "SELECT session, id, sum FROM qos2in";
pub(crate) const QOS2IN_ADD: &str = "INSERT INTO qos2in VALUES (?, ?, ?)";
pub(crate) const QOS2IN_REMOVE: &str = "DELETE FROM qos2in WHERE session = ? AND id = ?";
pub(crate) const QOS2IN_CLEAR: &str = "DELETE FROM qos2in WHERE session = ?";

pub(crate) const WILL_ALL: &str = "SELECT session, qos, retain, body, sum FROM will";
pub(crate) const WILL_OF: &str = "SELECT session, qos, retain, body, sum FROM will WHERE session = ?";
pub(crate) const WILL_CHANGE: &str = "UPDATE will SET qos = ?2, retain = ?3, body = ?4, sum = ?5 WHERE session = ?1";
pub(crate) const WILL_ADD: &str = "INSERT INTO will VALUES (?, ?, ?, ?, ?)";
pub(crate) const WILL_REMOVE: &str = "DELETE FROM will WHERE session = ?";

pub(crate) const MSG_ALL: &str = "SELECT id, head FROM msg ORDER BY id";
pub(crate) const MSG_WHOLE: &str = "SELECT id, head, body FROM msg ORDER BY id";
pub(crate) const MSG_OF: &str = "SELECT id, head, body FROM msg WHERE id = ?";
pub(crate) const MSG_NEWER: &str = "SELECT count(*), coalesce(sum(length(body)), 0) FROM msg WHERE id >= ?";
pub(crate) const MSG_ADD: &str = "INSERT INTO msg VALUES (?, ?, ?)";
pub(crate) const MSG_REMOVE: &str = "DELETE FROM msg WHERE id BETWEEN ? AND ?";

pub(crate) const CURSOR_ALL: &str = "SELECT session, source, floor, done, sum FROM cursor";
pub(crate) const CURSOR_WRITE: &str = "REPLACE INTO cursor VALUES (?, ?, ?, ?, ?)";
pub(crate) const CURSOR_CLEAR: &str = "DELETE FROM cursor WHERE session = ?";

pub(crate) const OUT_ALL: &str = "SELECT session, message, id, stage, sum FROM out ORDER BY session, message";
pub(crate) const OUT_WRITE: &str = "REPLACE INTO out VALUES (?, ?, ?, ?, ?)";
pub(crate) const OUT_REMOVE: &str = "DELETE FROM out WHERE session = ? AND message = ?";
pub(crate) const OUT_CLEAR: &str = "DELETE FROM out WHERE session = ?";

pub(crate) const RETAINED_SIZES: &str = "SELECT length(CAST(topic AS BLOB)), length(payload) FROM retained";
pub(crate) const RETAINED_SIZE: &str = "SELECT length(payload), stamp FROM retained WHERE topic = ?";
pub(crate) const RETAINED_WRITE: &str = "REPLACE INTO retained VALUES (?, ?, ?, ?, ?)";
pub(crate) const RETAINED_REMOVE: &str = "DELETE FROM retained WHERE topic = ?";

/// A version of the format that can be read.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Format {
    /// Only read, as the next one: see `upgrade`.
    One,
    Two,
    Three,
}

/// How to read the tables that are not the same in all versions. The columns are those of the newest one.
#[derive(Debug)]
pub(crate) struct Words {
    pub(crate) meta: &'static str,
    pub(crate) session_all: &'static str,
    pub(crate) session_behind: &'static str,
    pub(crate) sub_all: &'static str,
    pub(crate) sub_of: &'static str,
    pub(crate) retained_all: &'static str,
    pub(crate) retained_behind: &'static str,
}

const WORDS_1: Words = Words {
    meta: META_2,
    session_all: "SELECT no, client_id, sum, NULL FROM session ORDER BY no",
    session_behind: "SELECT no, client_id, sum, NULL FROM session WHERE no > ? ORDER BY no",
    sub_all: "SELECT session, filter, qos, sum, NULL FROM sub",
    sub_of: "SELECT session, filter, qos, sum, NULL FROM sub WHERE session = ? ORDER BY filter",
    retained_all: "SELECT topic, qos, payload, sum, 0 FROM retained ORDER BY topic",
    retained_behind: "SELECT topic, qos, payload, sum, 0 FROM retained WHERE topic > ? ORDER BY topic",
};

const WORDS_2: Words = Words {
    meta: META_2,
    session_all: "SELECT no, client_id, sum, user FROM session ORDER BY no",
    session_behind: "SELECT no, client_id, sum, user FROM session WHERE no > ? ORDER BY no",
    sub_all: "SELECT session, filter, qos, sum, replay FROM sub",
    sub_of: "SELECT session, filter, qos, sum, replay FROM sub WHERE session = ? ORDER BY filter",
    retained_all: "SELECT topic, qos, payload, sum, stamp FROM retained ORDER BY topic",
    retained_behind: "SELECT topic, qos, payload, sum, stamp FROM retained WHERE topic > ? ORDER BY topic",
};

const WORDS_3: Words = Words {
    meta: META_3,
    ..WORDS_2
};

const META_2: &str = "SELECT next_session, next_message, sessions, subs, received, wills, messages, message_bytes, \
    cursors, deliveries, retained, retained_bytes, sum, 0, one FROM meta";
const META_3: &str = "SELECT next_session, next_message, sessions, subs, received, wills, messages, message_bytes, \
    cursors, deliveries, retained, retained_bytes, sum, counted, one FROM meta";

impl Format {
    /// The one that is written.
    pub(crate) const NEWEST: Self = Self::Three;

    /// The one of a `user_version`.
    pub(crate) const fn of(version: i64) -> Option<Self> {
        match version {
            1 => Some(Self::One),
            2 => Some(Self::Two),
            VERSION => Some(Self::Three),
            _ => None,
        }
    }

    pub(crate) const fn version(self) -> i64 {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Three => VERSION,
        }
    }

    pub(crate) const fn words(self) -> &'static Words {
        match self {
            Self::One => &WORDS_1,
            Self::Two => &WORDS_2,
            Self::Three => &WORDS_3,
        }
    }

    /// The words that made its tables, without blanks.
    pub(crate) fn tables(self) -> Vec<String> {
        let mut tables = squeezed(TABLES);
        for (version, _, column) in ADDED {
            if version > self.version() {
                tables = tables.replace(&format!(",{}", squeezed(column)), "");
            }
        }
        tables
            .split(';')
            .filter(|table| !table.is_empty())
            .map(str::to_owned)
            .collect()
    }
}

/// Without blanks and line breaks: SQLite sets a column that is added where it sees fit.
pub(crate) fn squeezed(sql: &str) -> String {
    sql.split_whitespace().collect()
}
