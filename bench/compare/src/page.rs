//! The page in `docs/`: what lies between two markers is replaced, the rest stays as it is.

use std::fs;
use std::io;
use std::path::Path;

/// Replaces what lies between `<!-- NAME:begin -->` and `<!-- NAME:end -->` in a file.
pub(crate) fn replace(path: &Path, name: &str, text: &str) -> io::Result<()> {
    let page = fs::read_to_string(path)?;
    let page = between(&page, name, text).ok_or_else(|| {
        io::Error::other(format!(
            "{}: no markers <!-- {name}:begin --> and <!-- {name}:end -->",
            path.display()
        ))
    })?;
    fs::write(path, page)
}

fn between(page: &str, name: &str, text: &str) -> Option<String> {
    let begin = format!("<!-- {name}:begin -->");
    let end = format!("<!-- {name}:end -->");
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n\n{}\n\n{end}{after}", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_between_the_markers_changes() {
        let page = "a\n<!-- x:begin -->\nold\n<!-- x:end -->\nb\n";
        let expected = "a\n<!-- x:begin -->\n\nnew\n\n<!-- x:end -->\nb\n";
        assert_eq!(between(page, "x", "new\n").as_deref(), Some(expected));
        assert_eq!(between(expected, "x", "new").as_deref(), Some(expected));
        assert_eq!(between(page, "y", "new"), None);
    }
}
