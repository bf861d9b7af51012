//! A directory of a test's own, which goes when the test does.
//!
//! Must hold: two tests, also of two runs side by side, have different ones.

use std::fs;
use std::path::PathBuf;

/// See the module.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Empty. The tag is unique within the process and between processes.
    pub(crate) fn new(tag: &str) -> Self {
        let path = std::env::temp_dir().join(format!("burgee-conformance-{tag}"));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// As an argument of a command.
    pub(crate) fn path(&self) -> String {
        self.0.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}
