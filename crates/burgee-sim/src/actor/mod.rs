//! Virtual clients: devices that keep to the standard, hooligans that do not, and programs that use our own library.
//!
//! What must hold: a device does only what MQTT 3.1.1 allows, so that whatever happens to it is the broker's doing.
//! Deliberately absent: the broker's code; devices share the codec with it, and nothing else.

mod calm;
mod device;
mod habits;
mod hooligan;
mod library;
mod memory;
pub(crate) mod packet;
mod receive;

pub use device::Device;
pub use hooligan::Hooligans;
pub use library::{Affairs, Library};
