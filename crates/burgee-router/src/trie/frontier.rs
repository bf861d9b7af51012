//! A list of nodes that is on the stack as long as it is short, as it nearly always is.

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Frontier {
    few: [u32; FEW],
    len: usize,
    more: Vec<u32>,
}

const FEW: usize = 8;

impl Frontier {
    pub(super) fn push(&mut self, node: u32) {
        match self.few.get_mut(self.len) {
            Some(place) => {
                *place = node;
                self.len += 1;
            }
            None => self.more.push(node),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn clear(&mut self) {
        self.len = 0;
        self.more.clear();
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u32> {
        let few = self.few.get(..self.len).unwrap_or_default();
        few.iter().chain(&self.more).copied()
    }
}
