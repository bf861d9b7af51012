//! The settings of the broker: what can be set, what was set where, and whether it can be used.
//!
//! Start with `spec`: one table says of each option its key, variable, flag, values, default and meaning; the file, the
//! environment and the command line are read by it, and the reference page and the first file of `burgee init` are made
//! from it. [`load`] reads all sources and gives [`Checked`], or everything that is wrong at once.
//! What must hold: no input panics; nothing is applied that was not checked whole; a secret is never printed.
//! Deliberately absent: the command line's parser and everything that a broker does with its settings.

mod access;
mod auth;
mod auth_draft;
mod checked;
pub mod data_dir;
mod draft;
mod file;
mod layers;
mod limit;
mod listener;
mod load;
mod problem;
mod reference;
mod sections;
mod settings;
mod skeleton;
mod spec;
mod table;
mod text;
mod tls;
pub mod units;
mod usage;
mod usage_draft;
mod value;
mod walk;
mod whom;

pub use checked::Checked;
pub use file::{Unreadable, read_text};
pub use layers::{Chosen, SYSTEM_FILE, Sources};
pub use load::load;
pub use problem::{Level, Place, Problem, Problems};
pub use reference::page as reference_page;
pub use settings::{Change, Origin, Setting, Settings};
pub use skeleton::skeleton;
pub use spec::{Flag, Reload};
pub use table::{OptionView, options};
pub use text::Spot;
