//! Coming from Mosquitto: its persistence file (`mosquitto.db`) as records of our store, its configuration file
//! (`mosquitto.conf`) as ours.
//!
//! What must hold: nothing is left out in silence. What cannot be taken along is told, with its number and what it means.
//! What is damaged is refused, with the place and how far it can be read. Any bytes get an answer and never a panic, and
//! memory follows what is in a file, not what it claims.
//!
//! Deliberately absent: files and directories. Whoever calls opens, writes and copies.

pub mod conf;
pub mod db;
