//! `burgee bench --self-test`: the generator against a relay that does wrong on purpose.
//!
//! What must hold: exit code 1 when anything was not counted exactly.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use burgee_load::self_test::{self, SelfTest};

use super::live::LiveLine;
use super::options;

/// Runs it and prints what came of it.
pub(super) fn run(options: options::SelfTest) -> Result<ExitCode, String> {
    let mut line = LiveLine::new(options.quiet);
    let tested = self_test::run(&mut |live| line.show(live));
    line.clear();
    let tested = tested.map_err(|error| error.to_string())?;
    let text = if options.json {
        serde_json::to_string(&tested).map_err(|error| error.to_string())? + "\n"
    } else if options.quiet {
        String::new()
    } else {
        table(&tested)
    };
    // That nobody reads it is no reason to fail.
    io::stdout().write_all(text.as_bytes()).ok();
    Ok(if tested.passed() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn table(tested: &SelfTest) -> String {
    let mut text = format!(
        "{:<34}{:>4}{:>10}{:>10}  verdict\n",
        "what the relay did", "QoS", "done", "counted"
    );
    for case in &tested.cases {
        let verdict = match (&case.but, case.ok) {
            (_, true) => "exact".to_owned(),
            (Some(but), false) => format!("WRONG: {but}"),
            (None, false) => "WRONG".to_owned(),
        };
        // Writing to a string cannot fail.
        writeln!(
            text,
            "{:<34}{:>4}{:>10}{:>10}  {verdict}",
            case.what, case.qos, case.injected, case.counted
        )
        .ok();
    }
    let wrong = tested.cases.iter().filter(|case| !case.ok).count();
    let verdict = match wrong {
        0 => "Every fault was counted, and nothing else.".to_owned(),
        _ => format!(
            "{wrong} of {} cases were not counted exactly: believe no figure.",
            tested.cases.len()
        ),
    };
    writeln!(text, "\n{verdict}").ok();
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use burgee_load::self_test::Case;

    #[test]
    fn what_was_not_counted_is_told() {
        let mut case = Case {
            what: "lose a message",
            qos: 1,
            injected: 7,
            counted: 7,
            ok: true,
            but: None,
        };
        let mut tested = SelfTest {
            cases: vec![case.clone()],
        };
        let text = table(&tested);
        assert!(
            text.contains("lose a message                       1         7         7  exact"),
            "{text}"
        );
        assert!(text.contains("Every fault was counted"), "{text}");
        (case.ok, case.but) = (false, Some("one was missed".to_owned()));
        tested.cases.push(case);
        let text = table(&tested);
        assert!(
            text.contains("WRONG: one was missed") && text.contains("1 of 2 cases"),
            "{text}"
        );
    }
}
