//! Filters as devices and those who watch them use: all different, computed from their number.
//!
//! Must hold: a topic is matched by the same number of filters however many there are in all, so that what a message
//! costs can be compared. So every filter names one device, and each device has a number of its own; the sites are there
//! for the depth. Deliberately absent: filters that see everything.

/// Shares of the kinds, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mix {
    /// Filters without a wildcard.
    pub exact: u32,
    /// Filters with `+`.
    pub plus: u32,
    /// Filters with `#`.
    pub hash: u32,
}

impl Default for Mix {
    fn default() -> Self {
        Self {
            exact: 80,
            plus: 12,
            hash: 8,
        }
    }
}

/// What a device measures.
const SENSORS: [&str; 8] = [
    "temperature",
    "humidity",
    "pressure",
    "voltage",
    "current",
    "power",
    "state",
    "signal",
];

/// Devices of one site.
const PER_SITE: usize = 500;

/// Bits of a form: which levels are replaced by `+`.
const SENSOR: usize = 1;
const SITE: usize = 2;
const DEVICE_WORD: usize = 4;
const SITE_WORD: usize = 8;

/// All filters of a run.
#[derive(Debug)]
pub(super) struct Filters {
    tag: String,
    mix: [usize; 3],
    devices: usize,
    count: usize,
}

impl Filters {
    /// None if the mix does not make 100.
    pub(super) fn new(tag: String, count: usize, mix: Mix) -> Option<Self> {
        let parts = [mix.exact, mix.plus, mix.hash];
        let parts = parts.map(|part| usize::try_from(part).unwrap_or(usize::MAX));
        let whole = parts.iter().try_fold(0_usize, |sum, &part| sum.checked_add(part));
        if whole != Some(100) {
            return None;
        }
        // Each kind needs the devices for its number of different filters: exact filters one for eight.
        let most = parts.into_iter().max().unwrap_or(100);
        let devices = (count * most).div_ceil(100 * SENSORS.len()) + 1;
        Some(Self {
            tag,
            mix: parts,
            devices,
            count,
        })
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn devices(&self) -> usize {
        self.devices
    }

    /// A topic of a device.
    pub(super) fn topic(&self, device: usize, sensor: usize) -> String {
        self.text(device, sensor, 0)
    }

    /// A filter by its number.
    pub(super) fn filter(&self, number: usize) -> String {
        let (hundred, place) = (number / 100, number % 100);
        let [exact, plus, hash] = self.mix;
        if place < exact {
            let n = hundred * exact + place;
            return self.text(n / SENSORS.len(), n % SENSORS.len(), 0);
        }
        if place < exact + plus {
            let n = hundred * plus + place - exact;
            let device = n % self.devices;
            return self.text(device, device, n / self.devices + 1);
        }
        let n = hundred * hash + place - exact - plus;
        let (device, form) = (n % self.devices, n / self.devices);
        // First the whole device, then one sensor of it.
        let below = self.text(device, device, (form % 8) << 1);
        let device_only = below.rsplit_once('/').map_or("", |(head, _)| head);
        match form / 8 {
            0 => format!("{device_only}/#"),
            _ => format!("{below}/#"),
        }
    }

    fn text(&self, device: usize, sensor: usize, form: usize) -> String {
        let plus = |bit: usize, text: String| if form & bit == 0 { text } else { "+".to_owned() };
        let sensor = SENSORS.get(sensor % SENSORS.len()).copied().unwrap_or_default();
        [
            "bench".to_owned(),
            self.tag.clone(),
            plus(SITE_WORD, "site".to_owned()),
            plus(SITE, format!("{:04}", device / PER_SITE)),
            plus(DEVICE_WORD, "device".to_owned()),
            format!("{device:06}"),
            plus(SENSOR, sensor.to_owned()),
        ]
        .join("/")
    }
}

/// Which client has a filter. From round to round everybody moves on by one: numbers at regular distances, such as those
/// of one kind or of the topics that are published, must not all fall to the same few clients.
pub(super) fn owner(number: usize, clients: usize) -> usize {
    (number + number / clients) % clients
}

/// The filter that a client has of a round: the other way round.
pub(super) fn of_round(round: usize, client: usize, clients: usize) -> usize {
    round * clients + (client + clients - round % clients) % clients
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn filters(count: usize, [exact, plus, hash]: [u32; 3]) -> Filters {
        Filters::new("x".to_owned(), count, Mix { exact, plus, hash }).unwrap()
    }

    #[test]
    fn all_are_different_and_of_the_kinds_asked_for() {
        for mix in [
            [80, 12, 8],
            [100, 0, 0],
            [0, 100, 0],
            [0, 0, 100],
            [1, 98, 1],
            [34, 33, 33],
        ] {
            let filters = filters(10_000, mix);
            let all: HashSet<String> = (0..10_000).map(|n| filters.filter(n)).collect();
            assert_eq!(all.len(), 10_000, "{mix:?}");
            let hash = all.iter().filter(|filter| filter.ends_with("/#")).count();
            let plus = all.iter().filter(|f| f.contains("/+") && !f.ends_with('#')).count();
            assert_eq!([10_000 - plus - hash, plus, hash], mix.map(|part| part as usize * 100));
        }
    }

    #[test]
    fn each_has_one_owner_and_no_client_has_only_one_kind() {
        for clients in [1, 2, 7, 100] {
            for (round, client) in (0..300).flat_map(|round| (0..clients).map(move |client| (round, client))) {
                let number = of_round(round, client, clients);
                assert_eq!((number / clients, owner(number, clients)), (round, client));
            }
        }
        let filters = filters(10_000, [80, 12, 8]);
        let hash = |client| (0..100).any(|round| filters.filter(of_round(round, client, 100)).ends_with('#'));
        assert!((0..100).all(hash));
    }

    #[test]
    fn they_look_like_those_of_devices() {
        let filters = filters(1000, [80, 12, 8]);
        assert_eq!(filters.filter(0), "bench/x/site/0000/device/000000/temperature");
        assert_eq!(filters.filter(80), "bench/x/site/0000/device/000000/+");
        assert_eq!(filters.filter(92), "bench/x/site/0000/device/000000/#");
        assert!(
            Filters::new(
                String::new(),
                1,
                Mix {
                    exact: 50,
                    plus: 0,
                    hash: 0
                }
            )
            .is_none()
        );
    }
}
