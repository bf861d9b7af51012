//! `burgee init`: a first set of settings that is safe as it stands.
//!
//! What must hold: nothing that is there is written over, and nothing is written if anything is; secrets are for their
//! owner alone from the first moment; what was written passes `burgee check config`. Deliberately absent: starting it, and
//! renewing certificates.

mod authority;
mod files;

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use burgee_auth::password::{self, Document, Hashed, Recipe};
use clap::Args;

use crate::failure::Failure;
use crate::passwd::Source;
use authority::Authority;
use files::Folder;

/// Letters and digits that nobody mistakes for others; their number divides 256.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// A hundred random bits.
const PASSWORD: usize = 20;

/// Write a first set of settings: users, rules and, where asked for, certificates
///
/// Nothing that is there is written over. The password of the first user is generated and shown once, unless one is given.
/// With --tls it makes an authority of its own, and a certificate for these names: clients have to be told to trust
/// tls/ca.pem. Exit codes: 0 done; 1 something could not be written; 2 the command line is wrong or a file is there already.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Where to; made if it is not there
    #[arg(default_value = ".")]
    dir: PathBuf,

    /// Listen for other hosts with TLS, under these names and addresses
    #[arg(long, value_name = "NAME", num_args = 1..)]
    tls: Vec<String>,

    /// Make a certificate for a client of this name; may be given several times
    #[arg(long, value_name = "NAME", requires = "tls")]
    client: Vec<String>,

    /// The first user, who may do everything
    #[arg(long, default_value = "admin")]
    user: String,

    #[command(flatten)]
    source: Source,

    /// Ask for the password of the first user instead of generating one
    #[arg(long, conflicts_with_all = ["stdin", "password_file"])]
    ask: bool,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    match act(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report("init", false),
    }
}

fn act(options: &Options) -> Result<(), Failure> {
    password::check_name(&options.user).map_err(|invalid| Failure::misused(invalid.to_string()))?;
    if options.user.contains('*') {
        return Err(Failure::misused(
            "in rules * stands for any characters: the first user's name cannot have one",
        ));
    }
    for name in &options.client {
        files::check_name(name)?;
    }
    let folder = Folder::new(&options.dir, &options.client, !options.tls.is_empty())?;
    let (password, generated) = choose_password(options)?;
    let hashed = Hashed::make(&password, Recipe::default()).map_err(|error| Failure::refused(error.to_string()))?;
    let mut users = Document::default();
    users
        .set(&options.user, hashed)
        .map_err(|invalid| Failure::misused(invalid.to_string()))?;
    // Whatever may fail for another reason than the disk comes before anything is written.
    let signed = if options.tls.is_empty() {
        None
    } else {
        Some(Authority::new()?.sign_all(&options.tls, &options.client)?)
    };
    folder.make(signed.is_some(), !options.client.is_empty())?;
    password::create_new(&folder.users(), &users).map_err(|error| Failure::refused(error.to_string()))?;
    if let Some(signed) = &signed {
        folder.write_certificates(signed)?;
    }
    folder.write_settings(&options.user, !options.tls.is_empty(), !options.client.is_empty())?;
    tell(options, &folder, generated.then_some(&password))
}

/// The password, and whether nobody knows it yet.
fn choose_password(options: &Options) -> Result<(Vec<u8>, bool), Failure> {
    if options.ask {
        return Ok((options.source.new_password(&options.user)?, false));
    }
    if let Some(given) = options.source.given()? {
        return Ok((given, false));
    }
    let mut random = [0; PASSWORD];
    getrandom::fill(&mut random).map_err(|error| Failure::refused(format!("no random numbers: {error}")))?;
    let letter = |byte: &u8| ALPHABET.get(usize::from(*byte) % ALPHABET.len()).copied();
    Ok((random.iter().filter_map(letter).collect(), true))
}

fn tell(options: &Options, folder: &Folder, password: Option<&Vec<u8>>) -> Result<(), Failure> {
    let mut text = String::from("written:\n");
    for path in folder.written(!options.tls.is_empty(), &options.client) {
        writeln!(text, "  {}", path.display()).ok();
    }
    if let Some(password) = password {
        let password = String::from_utf8_lossy(password);
        write!(
            text,
            "\nThe password of {} is {password}\nIt is shown this once; ",
            options.user
        )
        .ok();
        text.push_str("burgee passwd sets another.\n");
    }
    let settings = folder.settings();
    text.push_str("\nWhat to do next:\n");
    writeln!(text, "  burgee check config {}", settings.display()).ok();
    writeln!(text, "  burgee doctor {}", settings.display()).ok();
    writeln!(text, "  burgee serve --config {}", settings.display()).ok();
    writeln!(
        text,
        "  burgee passwd {} NAME        (adds a user)",
        folder.users().display()
    )
    .ok();
    if !options.tls.is_empty() {
        writeln!(
            text,
            "Clients have to trust {}. Move {} to a place that this machine does not have: whoever has it can make \
             certificates. The certificates are good for {} days.",
            folder.certificate("ca").display(),
            folder.key("ca").display(),
            authority::DAYS
        )
        .ok();
    }
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| Failure::refused(format!("everything is written, but cannot be told: {error}")))
}
