//! The named stories: each is one promise of the port, on less than a screen.

mod crashes;
mod failures;
mod messages;
mod numbers;
mod pages;
mod sessions;
mod sources;

use super::ground::Ground;
use super::told::Told;

/// A name that is a sentence, and the story.
pub(super) type Story = (&'static str, fn(&mut Ground) -> Told);

/// Those that a store of such powers can be in.
pub(super) fn all(crashes: bool, fails: bool) -> Vec<Story> {
    let mut all = [
        sessions::STORIES,
        messages::STORIES,
        sources::STORIES,
        pages::STORIES,
        numbers::STORIES,
        failures::CLAIMS,
    ]
    .concat();
    if crashes {
        all.extend_from_slice(crashes::STORIES);
        all.extend_from_slice(sources::AFTER_A_CRASH);
    }
    if fails {
        all.extend_from_slice(failures::STORIES);
    }
    if crashes && fails {
        all.extend_from_slice(failures::AFTER_A_CRASH);
    }
    all
}
