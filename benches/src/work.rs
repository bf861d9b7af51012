//! One case: something that is set up once and then done again and again.

/// What a case does.
pub trait Work {
    /// Does it once.
    fn step(&mut self);

    /// Messages that have gone out to subscribers since it was set up.
    fn delivered(&self) -> u64 {
        0
    }
}

/// A case by its name.
#[derive(Clone, Copy)]
pub struct Case {
    /// `part/what/variant`.
    pub name: &'static str,
    /// By how many one step is divided: messages, as a rule.
    pub per: u64,
    /// Steps that are enough to be told from the noise of memory that is recycled now and then.
    pub steps: u64,
    /// Whether the steps count messages in [`Work::delivered`].
    pub delivers: bool,
    /// Sets it up.
    pub make: fn() -> Box<dyn Work>,
}

/// Work that is a function and nothing else.
pub(crate) struct Step<F>(pub(crate) F);

impl<F: FnMut()> Work for Step<F> {
    fn step(&mut self) {
        self.0();
    }
}
