//! Virtual clients: devices that keep to the standard and hooligans that do not.
//!
//! What must hold: a device does only what MQTT 3.1.1 allows, so that whatever happens to it is the broker's doing.
//! Deliberately absent: the broker's code; only the codec is shared.

mod calm;
mod device;
mod habits;
mod hooligan;
mod memory;
pub(crate) mod packet;
mod receive;

pub use device::Device;
pub use hooligan::Hooligans;
