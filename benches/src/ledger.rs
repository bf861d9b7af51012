//! The file that the counts are kept in.

use std::path::Path;

use toml::{Table, Value};

use crate::runner::Count;
use crate::tools::Tools;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) tools: Tools,
    counts: Vec<(String, f64)>,
}

const HEAD: &str = "# Instructions for one operation of each case of benches/. Made by `scripts/counts --write`; checked by `scripts/counts`.
# A count that grows by more than 5 % needs a word in the commit that writes it down.
";

impl Ledger {
    /// Reads it; a file that is not there is empty.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text).map_err(|why| format!("{}: {why}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let table: Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
        let word = |name: &str| {
            let word = table.get(name).and_then(Value::as_str);
            word.map_or_else(|| Err(format!("`{name}` is missing")), |word| Ok(word.to_owned()))
        };
        let tools = Tools {
            compiler: word("compiler")?,
            target: word("target")?,
            libc: word("libc")?,
        };
        let counts = table.get("instructions").and_then(Value::as_table);
        let counts = counts.ok_or("`[instructions]` is missing")?;
        let count = |(name, value): (&String, &Value)| {
            let count = value.as_float();
            count.map_or_else(
                || Err(format!("`{name}` is no number with a point")),
                |count| Ok((name.clone(), count)),
            )
        };
        let counts = counts.iter().map(count).collect::<Result<_, _>>()?;
        Ok(Self { tools, counts })
    }

    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        self.counts
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, count)| *count)
    }

    /// Names that are written down.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.counts.iter().map(|(name, _)| name.as_str())
    }

    /// Takes these counts in; the others stay unless these are `all`.
    pub(crate) fn replace(&mut self, counts: &[Count], all: bool) {
        self.counts
            .retain(|(known, _)| !all && !counts.iter().any(|(name, _)| name == known));
        self.counts
            .extend(counts.iter().map(|(name, count)| ((*name).to_owned(), *count)));
        self.counts.sort_by(|(a, _), (b, _)| a.cmp(b));
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), String> {
        std::fs::write(path, self.text()).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn text(&self) -> String {
        let Tools { compiler, target, libc } = &self.tools;
        let mut text =
            format!("{HEAD}compiler = {compiler:?}\ntarget = {target:?}\nlibc = {libc:?}\n\n[instructions]\n");
        let lines = self
            .counts
            .iter()
            .map(|(name, count)| format!("{name:?} = {count:.1}\n"));
        text.extend(lines);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut ledger = Ledger {
            tools: Tools {
                compiler: "1.0".to_owned(),
                target: "here".to_owned(),
                libc: "one".to_owned(),
            },
            ..Ledger::default()
        };
        ledger.replace(&[("b/c", 12.0), ("a", 3.25)], true);
        let again = Ledger::parse(&ledger.text()).unwrap();
        assert_eq!(again.tools, ledger.tools);
        assert_eq!(again.counts, [("a".to_owned(), 3.2), ("b/c".to_owned(), 12.0)]);
        ledger.replace(&[("a", 5.0)], false);
        assert_eq!((ledger.get("a"), ledger.get("b/c")), (Some(5.0), Some(12.0)));
        ledger.replace(&[("a", 5.0)], true);
        assert_eq!(ledger.get("b/c"), None);
    }

    #[test]
    fn a_broken_file_is_refused() {
        assert!(Ledger::parse("compiler = 1").unwrap_err().contains("compiler"));
        let text = Ledger::default().text() + "\"a\" = \"b\"\n";
        assert!(Ledger::parse(&text).unwrap_err().contains("`a`"));
    }
}
