//! The end of a story: the device stops making trouble, comes back and takes what it is owed.
//!
//! What must hold: after a while nothing of its doing is unfinished. Deliberately absent: anything new.

use super::device::{Device, Place};
use crate::net::{Finish, Net, Way};

impl Device {
    /// From now on it is good.
    pub fn calm_down(&mut self, net: &mut Net) {
        self.calm = true;
        self.reads_from = 0;
        self.habits.eager = 0;
        if let Some(link) = self.link() {
            if net.link(link).black_hole {
                self.place = Place::Away;
                self.waiting_since = None;
            } else {
                net.link(link).up.spare();
                net.link(link).down.spare();
            }
        }
        self.flush_acks(net);
        self.flush(net);
        self.hurry(net);
    }

    /// Whether it is connected, and nothing that it sent is unfinished.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.place, Place::There(_)) && self.memory.unfinished() == 0 && self.acks.is_empty()
    }

    /// Does not come back when its connection ends.
    pub const fn retire(&mut self) {
        self.retired = true;
    }

    /// Goes for good.
    pub fn hang_up(&mut self, net: &mut Net) {
        if let Some(link) = self.link() {
            net.close(link, Way::Up, Finish::Fin);
            self.place = Place::Away;
        }
        self.retire();
    }

    /// What it is, for a report.
    #[must_use]
    pub fn describe(&self) -> String {
        format!(
            "{} {:?}, {} unfinished, {:?}",
            self.name,
            self.place,
            self.memory.unfinished(),
            self.habits
        )
    }
}
