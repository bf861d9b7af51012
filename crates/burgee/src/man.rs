//! `burgee man`: a manual page for each command, from the same description as its help.
//!
//! What must hold: what a page says is what the program takes. Deliberately absent: installing them; packages do that.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;

/// Write the manual pages
///
/// For example: burgee man /usr/local/share/man/man1
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    /// Directory to write a page for each command into, made if need be [default: the page of burgee itself on standard output]
    dir: Option<PathBuf>,
}

pub(crate) fn run<C: CommandFactory>(options: &Options) -> ExitCode {
    let mut command = C::command();
    command.build();
    let written = match &options.dir {
        Some(dir) => {
            fs::create_dir_all(dir).and_then(|()| pages(&command, &mut |name, page| fs::write(dir.join(name), page)))
        }
        None => page(&command).and_then(|page| io::stdout().write_all(&page)),
    };
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let place = options
                .dir
                .as_ref()
                .map_or("standard output".into(), |dir| dir.display().to_string());
            crate::failure::say("man", &format!("cannot write to {place}: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// The page of a command and those of its subcommands: `burgee.1`, `burgee-pub.1`.
fn pages(command: &Command, write: &mut impl FnMut(String, Vec<u8>) -> io::Result<()>) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    write(format!("{name}.1"), page(command)?)?;
    let mut inner = command
        .get_subcommands()
        .filter(|inner| inner.get_name() != "help" && !inner.is_hide_set());
    inner.try_for_each(|inner| pages(inner, write))
}

fn page(command: &Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    let version = command.get_version().unwrap_or(env!("CARGO_PKG_VERSION")).to_owned();
    let name = command
        .get_display_name()
        .unwrap_or_else(|| command.get_name())
        .to_owned();
    Man::new(command.clone().version(version).name(name))
        .manual("burgee")
        .render(&mut page)?;
    Ok(page)
}
