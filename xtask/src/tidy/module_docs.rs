//! Module docs: every Rust file begins with `//!` and says what it is for. Whether the words are good is for a reader.

use super::finding::Finding;
use super::source::Source;

pub(super) fn check(rust: &[Source]) -> Vec<Finding> {
    let silent = rust.iter().filter(|source| {
        let first = source
            .text
            .lines()
            .find(|line| !line.trim().is_empty() && !line.starts_with("#!/"));
        first.is_none_or(|line| line.strip_prefix("//!").is_none_or(|words| words.trim().is_empty()))
    });
    let finding = |source: &Source| {
        let way_out = "begin it with `//!`: what it is for, what must hold, what is deliberately absent";
        Finding::new(
            "module-docs",
            &source.path,
            1,
            "the file does not say what it is for".to_owned(),
            way_out,
        )
    };
    silent.map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_begins_with_its_purpose_passes() {
        assert_eq!(check(&[Source::new("a.rs", "//! Interest.\nfn a() {}\n")]), []);
    }

    #[test]
    fn a_silent_file_is_found() {
        let silent = [
            "",
            "fn a() {}\n",
            "//!\nfn a() {}\n",
            "// Interest.\n",
            "#![no_std]\n//! Late.\n",
        ];
        for text in silent {
            assert_eq!(check(&[Source::new("a.rs", text)]).len(), 1, "{text:?}");
        }
    }
}
