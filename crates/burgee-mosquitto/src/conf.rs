//! `mosquitto.conf`, with what it includes, as the `burgee.toml` that does the same.
//!
//! [`convert`] reads; [`Conversion`] is the text, the files to take along, and what has no counterpart or is another
//! thing here, with file and line. [`options`] is the table that reading and the documentation are made from.
//!
//! What must hold: every option of Mosquitto's manual is known by name, and every line of a file is either in the result,
//! or needs nothing, or is told about. Where the same cannot be done the result is stricter, never looser: nobody comes in
//! who did not before.
//!
//! Deliberately absent: bridges and plugins. Each of their lines is told about, with what to do instead.

mod chain;
mod draft;
mod known;
mod listener;
mod reader;
mod remark;
mod settings;
mod table;
mod units;
mod write;

pub use known::{Becomes, Known, Place};
pub use reader::{ConfError, Files, convert};
pub use remark::{Remark, Weight};
pub use table::options;
pub use write::{Conversion, TakenFile};
