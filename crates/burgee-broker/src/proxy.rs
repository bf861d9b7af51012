//! The PROXY protocol, versions 1 and 2: what a proxy in front of us says about whom it speaks for.
//!
//! What must hold: a header is bounded, and nobody but a trusted proxy is asked for one. What it says about TLS between
//! the client and the proxy is left out. Deliberately absent: the decision whom to trust; see `door.rs`.

use std::net::SocketAddr;

use proxy_header::{Error, ParseConfig, ProxyHeader};

/// Bytes of a header of version 2, at most: addresses and what few extras proxies add.
const LONGEST: usize = 16 + 2048;
/// Bytes of a line of version 1, at most.
const LINE: usize = 107;
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// What was found at the front of some bytes.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Header {
    /// More bytes are needed.
    Partial,
    /// A header of so many bytes, and the client's address; none: the proxy speaks for itself, to see how we are.
    Whole(usize, Option<SocketAddr>),
    /// No header that we can read.
    Bad(&'static str),
}

/// Looks for a header.
pub(crate) fn parse(bytes: &[u8]) -> Header {
    let common = bytes.len().min(SIGNATURE.len());
    let second = bytes.get(..common) == SIGNATURE.get(..common);
    let mut announced = None;
    if second {
        // The length stands in its last two bytes.
        if let Some(&[high, low]) = bytes.get(14..16) {
            let length = 16 + usize::from(u16::from_be_bytes([high, low]));
            if length > LONGEST {
                return Header::Bad("the header is too long");
            }
            announced = Some(length);
        }
        if bytes.len() < 16 {
            return Header::Partial;
        }
    } else if !b"PROXY ".starts_with(bytes.get(..bytes.len().min(6)).unwrap_or_default()) {
        return Header::Bad("there is no header; the proxy has to send one");
    }
    // A line of version 1 has an end within so many bytes, however they come.
    let bytes = if second {
        bytes
    } else {
        bytes.get(..LINE).unwrap_or(bytes)
    };
    let config = ParseConfig {
        include_tlvs: false,
        allow_v1: !second,
        allow_v2: second,
    };
    match ProxyHeader::parse(bytes, config) {
        Ok((header, used)) => {
            let address = header.proxied_address().map(|address| address.source);
            Header::Whole(used, address)
        }
        // All that was announced is there, and it is not enough.
        Err(Error::BufferTooShort) if announced.is_some_and(|length| bytes.len() >= length) => {
            Header::Bad("the header cannot be read")
        }
        Err(Error::BufferTooShort) if bytes.len() < LONGEST => Header::Partial,
        Err(_) => Header::Bad("the header cannot be read"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[command, family], &length, body].concat()
    }

    fn whole(header: &[u8], address: Option<&str>) {
        let expected = Header::Whole(header.len(), address.map(|text| text.parse().unwrap()));
        // What follows is not looked at.
        assert_eq!(parse(&[header, b"\x10\x0e"].concat()), expected, "{header:?}");
        for end in 0..header.len() {
            assert_eq!(parse(&header[..end]), Header::Partial, "{header:?} up to {end}");
        }
    }

    #[test]
    fn headers_of_both_versions_are_read_whole_and_in_pieces() {
        whole(
            b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 1883\r\n",
            Some("192.0.2.7:50000"),
        );
        whole(
            b"PROXY TCP6 2001:db8::7 2001:db8::1 50000 1883\r\n",
            Some("[2001:db8::7]:50000"),
        );
        whole(b"PROXY UNKNOWN\r\n", None);
        let v4 = [192, 0, 2, 7, 198, 51, 100, 1, 0xC3, 0x50, 0x07, 0x5B];
        whole(&v2(0x21, 0x11, &v4), Some("192.0.2.7:50000"));
        // With extras behind the addresses, among them what it says of TLS.
        let extras = [&v4[..], &[0x20, 0, 5, 7, 0, 0, 0, 0], &[4, 0, 3, 1, 2, 3]].concat();
        whole(&v2(0x21, 0x11, &extras), Some("192.0.2.7:50000"));
        let mut v6 = [0; 36];
        v6[..4].copy_from_slice(&[0x20, 1, 0x0D, 0xB8]);
        v6[15] = 7;
        v6[32..34].copy_from_slice(&50000_u16.to_be_bytes());
        whole(&v2(0x21, 0x21, &v6), Some("[2001:db8::7]:50000"));
        // A look at our health, with addresses that do not count, and a client behind a Unix socket.
        whole(&v2(0x20, 0x00, &[]), None);
        whole(&v2(0x20, 0x11, &v4), None);
        whole(&v2(0x21, 0x31, &[0; 216]), None);
    }

    #[test]
    fn what_is_no_header_is_refused_at_once() {
        for bad in [
            &b"\x10\x0e\x00\x04MQTT"[..],
            b"GET / HTTP/1.1\r\n\r\n",
            b"PROXY TCP4 300.0.2.7 198.51.100.1 50000 1883\r\n",
            b"PROXY TCP4 192.0.2.7 198.51.100.1 70000 1883\r\n",
            b"PROXY TCP4 2001:db8::7 2001:db8::1 50000 1883\r\n",
            b"PROXY TCP5 192.0.2.7 198.51.100.1 50000 1883\r\n",
            b"PROXX",
            b"P\r",
            &v2(0x31, 0x11, &[0; 12]),
            &v2(0x22, 0x11, &[0; 12]),
            &v2(0x21, 0x11, &[0; 11]),
            &v2(0x21, 0x13, &[0; 12]),
            &v2(0x21, 0x31, &[0; 100]),
            &v2(0x21, 0x11, &[0; 2049])[..16],
            &[&b"PROXY UNKNOWN "[..], &[b'x'; 200]].concat(),
            &[&b"PROXY UNKNOWN "[..], &[b'x'; 200], b"\r\n"].concat(),
        ] {
            assert!(matches!(parse(bad), Header::Bad(_)), "{:?}: {:?}", bad, parse(bad));
        }
    }
}
