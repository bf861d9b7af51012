//! The burgee binary.
fn main() {}
