//! Pages: how much a read may give at once.
//!
//! What must hold: a page never exceeds its limit but for its first item, which always comes, so that a reader gets on.

/// How much a page may hold.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Limit {
    /// This many items.
    pub items: usize,
    /// Items of this weight together, in bytes.
    pub bytes: usize,
}

/// Whether a page was the last.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
#[must_use = "a page that is taken for the last one loses the rest"]
pub enum Page {
    /// There are more items behind the last one.
    More,
    /// There are no more.
    End,
}

impl Limit {
    /// An empty page.
    #[must_use]
    pub const fn filling(self) -> Filling {
        Filling {
            limit: self,
            items: 0,
            bytes: 0,
        }
    }
}

/// A page while it is filled.
#[derive(Clone, Debug)]
pub struct Filling {
    limit: Limit,
    items: usize,
    bytes: usize,
}

impl Filling {
    /// Whether an item of this weight goes onto the page; then it is counted. After the first `false` the page is full.
    #[must_use]
    pub const fn takes(&mut self, weight: usize) -> bool {
        let bytes = self.bytes.saturating_add(weight);
        if self.items > 0 && (self.items >= self.limit.items || bytes > self.limit.bytes) {
            return false;
        }
        self.items += 1;
        self.bytes = bytes;
        true
    }
}
