//! The named stories: each is one promise of the port, on less than a screen.

mod crashes;
mod failures;
mod messages;
mod numbers;
mod pages;
mod sessions;

use super::ground::Ground;
use super::told::Told;

/// A name that is a sentence, and the story.
pub(super) type Story = (&'static str, fn(&mut Ground) -> Told);

/// Those that a store of such powers can be in.
pub(super) fn all(crashes: bool, fails: bool) -> Vec<Story> {
    let mut all = [sessions::STORIES, messages::STORIES, pages::STORIES, numbers::STORIES].concat();
    all.extend_from_slice(failures::CLAIMS);
    if crashes {
        all.extend_from_slice(crashes::STORIES);
    }
    if fails {
        all.extend_from_slice(failures::STORIES);
    }
    if crashes && fails {
        all.extend_from_slice(failures::AFTER_A_CRASH);
    }
    all
}
