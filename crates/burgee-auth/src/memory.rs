//! What is remembered for a while under a secret: the keyed hash of a login is the key, never the login itself.
//!
//! Argon2id is slow on purpose. When ten thousand devices come back at once after a failure of the network, it is what
//! they wait for; so a login that was checked is known again for a while. What must hold: the key of the hash is made by
//! this process and leaves it never; entries are bounded in number and age, and all are dropped when users change.
//! Deliberately absent: failed logins of password files; a guess has to cost what it costs.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use ring::hmac;

use crate::login::Login;

/// A keyed hash.
pub(crate) type Trace = [u8; 32];

/// Makes traces. The key is of this process and of this generation of users.
#[derive(Debug)]
pub(crate) struct Tracer(hmac::Key);

impl Tracer {
    /// # Errors
    /// The system gives no random bytes.
    pub(crate) fn new() -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &key)))
    }

    /// Of name and password.
    pub(crate) fn of_credentials(&self, login: &Login) -> Trace {
        self.of(&[user(login), login.secret()])
    }

    /// Of everything that a server is told about a login.
    pub(crate) fn of_all(&self, login: &Login) -> Trace {
        let address = login.address.map(|address| address.to_string()).unwrap_or_default();
        let given = [u8::from(login.user.is_some()), u8::from(login.password.is_some())];
        let parts = [
            user(login),
            login.secret(),
            login.client_id.as_bytes(),
            address.as_bytes(),
        ];
        let certificate = login.certificate.as_deref().unwrap_or_default().as_bytes();
        let [a, b, c, d] = parts;
        self.of(&[a, b, c, d, certificate, login.listener.as_bytes(), &given])
    }

    /// Lengths stand before the parts: no two lists give the same bytes.
    fn of(&self, parts: &[&[u8]]) -> Trace {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        let tag = context.sign();
        let mut trace = [0; 32];
        trace.copy_from_slice(tag.as_ref());
        trace
    }
}

fn user(login: &Login) -> &[u8] {
    login.user.as_deref().unwrap_or_default().as_bytes()
}

/// Things by trace, bounded in number and age. When it is full, the oldest goes.
#[derive(Debug)]
pub(crate) struct Memory<V> {
    entries: HashMap<Trace, Entry<V>>,
    /// In the order in which they came; some may have been replaced since.
    order: VecDeque<(u64, Trace, Instant)>,
    puts: u64,
    most: usize,
    longest: Duration,
}

#[derive(Debug)]
struct Entry<V> {
    number: u64,
    since: Instant,
    value: V,
}

impl<V> Memory<V> {
    pub(crate) fn new(most: usize, longest: Duration) -> Self {
        Self {
            entries: HashMap::new(),
            order: VecDeque::new(),
            puts: 0,
            most,
            longest,
        }
    }

    /// The value and its age.
    pub(crate) fn get(&self, trace: &Trace, now: Instant) -> Option<(&V, Duration)> {
        let entry = self.entries.get(trace)?;
        let age = now.saturating_duration_since(entry.since);
        (age < self.longest).then_some((&entry.value, age))
    }

    pub(crate) fn put(&mut self, trace: Trace, value: V, now: Instant) {
        if self.most == 0 || self.longest.is_zero() {
            return;
        }
        self.puts += 1;
        let (number, since) = (self.puts, now);
        self.entries.insert(trace, Entry { number, since, value });
        self.order.push_back((number, trace, now));
        while let Some(&(number, oldest, since)) = self.order.front() {
            let over = now.saturating_duration_since(since) >= self.longest;
            // Twice as long as what it orders: entries that were replaced leave their first place behind.
            if !over && self.entries.len() <= self.most && self.order.len() <= self.most.saturating_mul(2) {
                break;
            }
            self.order.pop_front();
            if self.entries.get(&oldest).is_some_and(|entry| entry.number == number) {
                self.entries.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(user: &str, password: &str) -> Login {
        Login {
            client_id: "c".into(),
            user: Some(user.into()),
            password: Some(password.as_bytes().into()),
            address: None,
            certificate: None,
            listener: "l".into(),
            anonymous: false,
        }
    }

    #[test]
    fn traces_tell_logins_apart_and_processes_too() {
        let tracer = Tracer::new().unwrap();
        let trace = tracer.of_credentials(&login("ab", "c"));
        assert_eq!(trace, tracer.of_credentials(&login("ab", "c")));
        assert_ne!(trace, tracer.of_credentials(&login("a", "bc")));
        assert_ne!(trace, Tracer::new().unwrap().of_credentials(&login("ab", "c")));
        let all = tracer.of_all(&login("ab", "c"));
        let mut other = login("ab", "c");
        other.client_id = "d".into();
        assert_ne!(all, tracer.of_all(&other));
        let mut other = login("ab", "c");
        other.address = Some([192, 0, 2, 1].into());
        assert_ne!(all, tracer.of_all(&other));
        let (mut empty, mut none) = (login("", ""), login("", ""));
        empty.password = Some(Box::default());
        none.password = None;
        assert_ne!(tracer.of_all(&empty), tracer.of_all(&none));
    }

    #[test]
    fn entries_are_bounded_in_number_and_age() {
        let mut memory = Memory::new(3, Duration::from_secs(60));
        let now = Instant::now();
        let trace = |number: u8| [number; 32];
        for number in 0..10 {
            memory.put(trace(number), number, now);
            assert!(memory.entries.len() <= 3);
        }
        assert!(memory.get(&trace(6), now).is_none() && memory.get(&trace(7), now).is_some());
        assert!(memory.get(&trace(9), now + Duration::from_secs(60)).is_none());
        for _ in 0..100 {
            memory.put(trace(9), 1, now + Duration::from_secs(1));
            assert!(memory.order.len() <= 6, "{}", memory.order.len());
        }
        let (value, age) = memory.get(&trace(9), now + Duration::from_secs(3)).unwrap();
        assert_eq!((*value, age), (1, Duration::from_secs(2)));
        let mut off = Memory::new(3, Duration::ZERO);
        off.put(trace(1), 1, now);
        assert!(off.get(&trace(1), now).is_none() && off.entries.is_empty());
    }
}
