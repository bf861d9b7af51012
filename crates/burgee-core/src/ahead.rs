//! What is known of packets that a client has sent and that have to wait; see `farewell`.

/// How it was looked for DISCONNECT among them.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Ahead {
    /// DISCONNECT is not in so many bytes, which are whole packets.
    Looked(u32),
    /// There is a packet that ends the connection in another way, if its turn comes.
    InVain,
    /// DISCONNECT is there.
    Heard,
}
