//! Ranges of addresses.
//!
//! What must hold: an IPv4 address is the same whether it came as such or mapped into IPv6. Deliberately absent: names.

use core::fmt;
use core::net::{IpAddr, Ipv6Addr};
use core::str::FromStr;

/// An address, or all that share its first bits.
#[derive(Copy, Clone, Debug, Eq, Hash, PartialEq)]
pub struct AddressRange {
    base: IpAddr,
    bits: u8,
}

/// Why a text is no range of addresses.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum InvalidAddress {
    /// It is no address.
    Address,
    /// What follows the slash is no number of bits that the address has.
    Bits,
    /// The address has bits behind those that count.
    Stray,
}

impl fmt::Display for InvalidAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => "a range is an IPv4 or IPv6 address, alone or with \"/\" and a number of bits",
            Self::Bits => "behind \"/\" comes a number of bits: at most 32 for IPv4, 128 for IPv6",
            Self::Stray => "the address has bits set behind those that the range counts",
        })
    }
}

impl core::error::Error for InvalidAddress {}

impl AddressRange {
    /// Whether an address is in the range.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let differing = u32::from(base) ^ u32::from(address);
                differing.leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let differing = u128::from(base) ^ u128::from(address);
                differing.leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for AddressRange {
    type Err = InvalidAddress;

    fn from_str(raw: &str) -> Result<Self, InvalidAddress> {
        let (address, bits) = match raw.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (raw, None),
        };
        let base: IpAddr = address.parse().map_err(|_| InvalidAddress::Address)?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let plain = |bits: &str| !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
        let bits: u8 = match bits {
            None => most,
            Some(bits) if plain(bits) => bits.parse().map_err(|_| InvalidAddress::Bits)?,
            Some(_) => return Err(InvalidAddress::Bits),
        };
        if bits > most {
            return Err(InvalidAddress::Bits);
        }
        let rest = match base {
            IpAddr::V4(base) => u128::from(u32::from(base)) << 96,
            IpAddr::V6(base) => u128::from(base),
        };
        if rest.checked_shl(u32::from(bits)).is_some_and(|stray| stray != 0) {
            return Err(InvalidAddress::Stray);
        }
        // A range inside the mapped ones is one of IPv4; one around them is not.
        match base {
            IpAddr::V6(mapped) if bits >= 96 && is_mapped(mapped) => Ok(Self {
                base: base.to_canonical(),
                bits: bits - 96,
            }),
            IpAddr::V4(_) | IpAddr::V6(_) => Ok(Self { base, bits }),
        }
    }
}

fn is_mapped(address: Ipv6Addr) -> bool {
    address.to_ipv4_mapped().is_some()
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_what_shares_its_bits() {
        for (range, inside, outside) in [
            ("10.0.0.0/8", "10.255.1.2", "11.0.0.0"),
            ("10.0.0.0/8", "::ffff:10.1.1.1", "::10.1.1.1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("192.0.2.6/31", "192.0.2.7", "192.0.2.8"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::ffff:10.0.0.0/104", "10.9.9.9", "11.0.0.0"),
            ("::1", "::1", "127.0.0.1"),
            ("0.0.0.0/0", "203.0.113.1", "2001:db8::1"),
            ("::/0", "2001:db8::1", "203.0.113.1"),
        ] {
            let range: AddressRange = range.parse().unwrap();
            assert!(range.has(inside.parse().unwrap()), "{range} {inside}");
            assert!(!range.has(outside.parse().unwrap()), "{range} {outside}");
        }
    }

    #[test]
    fn what_is_no_range_is_said_to_be_none() {
        for (raw, why) in [
            ("", InvalidAddress::Address),
            ("localhost", InvalidAddress::Address),
            ("10.0.0.0/33", InvalidAddress::Bits),
            ("10.0.0.0/", InvalidAddress::Bits),
            ("10.0.0.0/+8", InvalidAddress::Bits),
            ("::/129", InvalidAddress::Bits),
            ("10.0.0.1/8", InvalidAddress::Stray),
            ("2001:db8::1/64", InvalidAddress::Stray),
        ] {
            assert_eq!(raw.parse::<AddressRange>(), Err(why), "{raw}");
        }
    }
}
