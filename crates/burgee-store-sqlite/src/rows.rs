//! The bytes inside the rows: heads of messages, targets, settled runs, sums. `docs/store.md` has the tables.
//!
//! What must hold: what was encoded is decoded, and no bytes make decoding panic. A sum covers the row's key as well, so
//! that a row in another's place is found.

use burgee_codec::QoS;
use burgee_store::SessionNo;

/// Numbers of messages and sessions are below this: they are kept in less than 64 bits. At a million a second they last
/// 36,000 years.
pub(crate) const NUMBERS_END: u64 = 1 << 60;

/// Why a row is not what was written.
pub(crate) type Odd = &'static str;

/// What precedes the targets in the column `head` of a message.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) struct Head {
    pub(crate) source: u16,
    pub(crate) retain: bool,
    /// Length of the body.
    pub(crate) bytes: u32,
    /// Sum of the body.
    pub(crate) body_sum: u32,
}

const FIXED: usize = 11;
const SUM: usize = 4;

impl Head {
    /// Appends the column `head` of this message.
    pub(crate) fn encode(&self, message: u64, targets: &[u8], out: &mut Vec<u8>) {
        let from = out.len();
        out.push(u8::from(self.retain));
        out.extend_from_slice(&self.source.to_le_bytes());
        out.extend_from_slice(&self.bytes.to_le_bytes());
        out.extend_from_slice(&self.body_sum.to_le_bytes());
        out.extend_from_slice(targets);
        let sum = head_sum(message, out.get(from..).unwrap_or_default());
        out.extend_from_slice(&sum.to_le_bytes());
    }

    /// The head, and the targets behind it.
    pub(crate) fn decode(message: u64, bytes: &[u8]) -> Result<(Self, &[u8]), Odd> {
        let (covered, sum) = bytes
            .len()
            .checked_sub(SUM)
            .and_then(|at| bytes.split_at_checked(at))
            .ok_or("its head is too short")?;
        if sum != head_sum(message, covered).to_le_bytes() {
            return Err("the sum of its head is wrong");
        }
        let (fixed, targets) = covered.split_first_chunk::<FIXED>().ok_or("its head is too short")?;
        let [retain, s0, s1, b0, b1, b2, b3, c0, c1, c2, c3] = *fixed;
        let head = Self {
            source: u16::from_le_bytes([s0, s1]),
            retain: match retain {
                0 => false,
                1 => true,
                _ => return Err("its head has unknown flags"),
            },
            bytes: u32::from_le_bytes([b0, b1, b2, b3]),
            body_sum: u32::from_le_bytes([c0, c1, c2, c3]),
        };
        Ok((head, targets))
    }
}

fn head_sum(message: u64, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&message.to_le_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

/// The sum of a body.
pub(crate) fn body_sum(body: &[u8]) -> u32 {
    crc32fast::hash(body)
}

/// The sum of a row of the other tables: a letter for the table, then its columns, the numbers first.
pub(crate) fn row_sum(table: u8, numbers: &[u64], bytes: &[&[u8]]) -> i64 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[table]);
    for number in numbers {
        hasher.update(&number.to_le_bytes());
    }
    for bytes in bytes {
        hasher.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
        hasher.update(bytes);
    }
    i64::from(hasher.finalize())
}

/// Sessions that are owed a message, while they are encoded: how far each is from the one before, and the QoS.
pub(crate) struct Targets<'a> {
    out: &'a mut Vec<u8>,
    last: u64,
}

impl<'a> Targets<'a> {
    pub(crate) const fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, last: 0 }
    }

    pub(crate) fn push(&mut self, session: SessionNo, qos: QoS) {
        let step = session.0.cast_signed() - self.last.cast_signed();
        let zigzag = (step << 1 ^ step >> 63).cast_unsigned();
        push_varint(self.out, zigzag << 2 | u64::from(qos.bits()));
        self.last = session.0;
    }
}

/// Reads the sessions that are owed a message.
pub(crate) struct TargetsOf<'a> {
    rest: &'a [u8],
    last: u64,
}

impl<'a> TargetsOf<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, last: 0 }
    }

    fn read(&mut self) -> Result<(SessionNo, QoS), Odd> {
        let read = take_varint(&mut self.rest).ok_or("its targets break off")?;
        let qos = QoS::from_bits((read & 3) as u8).ok_or("it is owed with an unknown QoS")?;
        let zigzag = read >> 2;
        let step = (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed();
        let session = self.last.checked_add_signed(step).filter(|number| is_number(*number));
        self.last = session.ok_or("it is owed to a session that cannot be")?;
        Ok((SessionNo(self.last), qos))
    }
}

impl Iterator for TargetsOf<'_> {
    type Item = Result<(SessionNo, QoS), Odd>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let read = self.read();
        if read.is_err() {
            self.rest = &[];
        }
        Some(read)
    }
}

/// Whether a session or a message may have this number.
pub(crate) const fn is_number(number: u64) -> bool {
    number >= 1 && number < NUMBERS_END
}

/// Appends runs of settled messages above `floor`.
pub(crate) fn encode_runs(floor: u64, runs: impl Iterator<Item = (u64, u64)>, out: &mut Vec<u8>) {
    let mut behind = floor;
    for (first, last) in runs {
        push_varint(out, first - behind);
        push_varint(out, last - first);
        behind = last;
    }
}

/// Runs of settled messages above `floor`, ascending.
pub(crate) fn decode_runs(floor: u64, mut bytes: &[u8]) -> Result<Vec<(u64, u64)>, Odd> {
    let mut runs = Vec::new();
    let mut behind = floor;
    while !bytes.is_empty() {
        let broken = "its settled runs break off";
        let gap = take_varint(&mut bytes).ok_or(broken)?;
        let length = take_varint(&mut bytes).ok_or(broken)?;
        let first = behind.checked_add(gap).filter(|first| gap > 0 && is_number(*first));
        let first = first.ok_or("its settled runs do not ascend")?;
        let last = first.checked_add(length).filter(|last| is_number(*last));
        behind = last.ok_or("its settled runs do not ascend")?;
        runs.push((first, behind));
    }
    Ok(runs)
}

/// Seven bits a byte, the low ones first, the highest bit set where more follows.
fn push_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push((number & 0x7f) as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(first & 0x7f);
        number |= bits << shift;
        if number >> shift != bits {
            return None;
        }
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Head = Head {
        source: 0x1234,
        retain: true,
        bytes: 300,
        body_sum: 0xdead_beef,
    };

    fn encoded(message: u64, targets: &[(u64, QoS)]) -> Vec<u8> {
        let (mut list, mut out) = (Vec::new(), Vec::new());
        let mut encoder = Targets::new(&mut list);
        for (session, qos) in targets {
            encoder.push(SessionNo(*session), *qos);
        }
        HEAD.encode(message, &list, &mut out);
        out
    }

    #[test]
    fn heads_and_targets_come_back() {
        let all = [
            (5, QoS::ExactlyOnce),
            (NUMBERS_END - 1, QoS::AtMostOnce),
            (1, QoS::AtLeastOnce),
            (2, QoS::AtLeastOnce),
            (2, QoS::ExactlyOnce),
        ];
        for count in 0..=all.len() {
            let bytes = encoded(77, &all[..count]);
            let (head, targets) = Head::decode(77, &bytes).unwrap();
            let found: Vec<_> = TargetsOf::new(targets)
                .map(|it| it.map(|(no, qos)| (no.0, qos)))
                .collect();
            assert_eq!(head, HEAD);
            assert_eq!(found, all[..count].iter().copied().map(Ok).collect::<Vec<_>>());
        }
        assert_eq!(
            encoded(1, &(1..=100).map(|n| (n, QoS::AtLeastOnce)).collect::<Vec<_>>()).len(),
            115
        );
    }

    #[test]
    fn a_changed_head_is_found_wherever_it_was_changed() {
        let whole = encoded(77, &[(5, QoS::ExactlyOnce), (900, QoS::AtMostOnce)]);
        assert!(Head::decode(78, &whole).is_err(), "another message's head");
        for at in 0..whole.len() {
            assert!(Head::decode(77, &whole[..at]).is_err(), "cut at {at}");
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << bit;
                assert!(Head::decode(77, &bytes).is_err(), "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn targets_that_cannot_be_are_refused_and_end() {
        let bad: [&[u8]; 5] = [
            &[0x80],
            &[3],
            &[0],
            &[1 << 3 | 1 << 2],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ];
        for bytes in bad {
            let mut targets = TargetsOf::new(bytes);
            assert!(targets.next().unwrap().is_err(), "{bytes:?}");
            assert!(targets.next().is_none(), "{bytes:?}");
        }
    }

    #[test]
    fn runs_come_back_and_broken_ones_do_not() {
        for (floor, runs) in [
            (0, vec![]),
            (0, vec![(1, 1)]),
            (7, vec![(9, 12), (14, 14), (1 << 40, NUMBERS_END - 1)]),
        ] {
            let mut out = Vec::new();
            encode_runs(floor, runs.iter().copied(), &mut out);
            assert_eq!(decode_runs(floor, &out), Ok(runs));
            if let Some(cut) = out.len().checked_sub(1) {
                assert!(decode_runs(floor, &out[..cut]).is_err());
            }
        }
        assert!(decode_runs(5, &[0, 3]).is_err());
        assert!(decode_runs(NUMBERS_END - 1, &[1, 0]).is_err());
    }

    #[test]
    fn a_sum_covers_table_numbers_and_where_bytes_end() {
        let sums = [
            row_sum(b'a', &[1, 2], &[b"xy", b"z"]),
            row_sum(b'b', &[1, 2], &[b"xy", b"z"]),
            row_sum(b'a', &[2, 1], &[b"xy", b"z"]),
            row_sum(b'a', &[1, 2], &[b"x", b"yz"]),
        ];
        for (at, sum) in sums.iter().enumerate() {
            assert!((0..1 << 32).contains(sum) && !sums[at + 1..].contains(sum));
        }
    }
}
