//! `burgee passwd`: looks after a password file.
//!
//! What must hold: a password is never on the command line, in the output or in an error; a file is changed whole or not
//! at all, and nothing in it but the one line. Deliberately absent: what a file looks like; that is burgee-auth's.

mod secret;

use std::io::{self, Write};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use burgee_auth::password::{self, CannotHash, Document, FileProblems, Hashed, Recipe};
use clap::{Args, ValueEnum};

use crate::failure::{Failure, say};
pub(crate) use secret::Source;

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 it could not be done, or --verify found another password; 2 the command line is wrong or the file \
cannot be used.";

/// Look after a password file: add, change, remove and verify users
///
/// Adds USER to FILE, or changes the password, which is asked for twice. The rest of the file stays as it is. Files of
/// mosquitto_passwd can be used as they are, and entries of all kinds may stand in one file. A running broker takes a
/// changed file in when it gets SIGHUP.
#[derive(Args, Debug)]
#[command(after_help = EXIT_CODES)]
#[expect(
    clippy::doc_markdown,
    reason = "the comments are the text of --help, which knows no Markdown"
)]
pub(crate) struct Options {
    /// The password file
    file: PathBuf,

    /// Whom it is about
    #[arg(required_unless_present = "list")]
    user: Option<String>,

    #[command(flatten)]
    action: Action,

    #[command(flatten)]
    source: Source,

    #[command(flatten)]
    recipe: RecipeOptions,

    /// Not possible: what stands on a command line can be read by everybody on the machine
    #[arg(short = 'b', hide = true)]
    batch: bool,

    /// The same
    #[arg(hide = true)]
    password: Option<String>,
}

#[derive(Args, Debug)]
#[group(multiple = false)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are options as written, of which one is given at most"
)]
struct Action {
    /// Make the file, which must not be there yet
    #[arg(short, long)]
    create: bool,

    /// Remove the user
    #[arg(short = 'D', long)]
    delete: bool,

    /// Say whether this is the user's password; nothing is changed
    #[arg(long)]
    verify: bool,

    /// Say who is in the file, and how each password is hashed
    #[arg(long)]
    list: bool,
}

#[derive(Args, Debug)]
struct RecipeOptions {
    /// How a new password is hashed
    #[arg(short = 'H', long, value_name = "KIND", default_value = "argon2id")]
    hash: Kind,

    /// Memory for one hash with argon2id, in KiB
    #[arg(long, value_name = "KIB", default_value_t = 19_456)]
    memory: u32,

    /// Passes over that memory
    #[arg(long, value_name = "N", default_value_t = 2)]
    passes: u32,

    /// Lanes of that memory
    #[arg(long, value_name = "N", default_value_t = 1)]
    lanes: u32,

    /// Rounds with pbkdf2
    #[arg(short = 'I', long, value_name = "N", default_value_t = 210_000)]
    iterations: u32,
}

#[derive(Copy, Clone, Debug, ValueEnum)]
enum Kind {
    /// Slow and hungry for memory, which is what makes guessing expensive
    Argon2id,
    /// For files that Mosquitto has to read as well
    #[value(alias = "sha512-pbkdf2")]
    Pbkdf2,
}

impl RecipeOptions {
    fn checked(&self) -> Result<Recipe, Failure> {
        let recipe = match self.hash {
            Kind::Argon2id => Recipe::Argon2id {
                memory_kib: self.memory,
                passes: self.passes,
                lanes: self.lanes,
            },
            Kind::Pbkdf2 => Recipe::Pbkdf2 {
                iterations: NonZeroU32::new(self.iterations)
                    .ok_or_else(|| Failure::misused("--iterations: at least one round is needed"))?,
            },
        };
        recipe.check().map_err(|unfit| Failure::misused(unfit.to_string()))?;
        Ok(recipe)
    }
}

/// Runs the command.
pub(crate) fn run(options: &Options) -> ExitCode {
    match act(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report("passwd", false),
    }
}

fn act(options: &Options) -> Result<(), Failure> {
    if options.batch || options.password.is_some() {
        return Err(Failure::misused(
            "a password on the command line can be read by everybody on this machine, and stays in the shell's history; \
             --stdin reads it from a pipe, --password-file from a file",
        ));
    }
    let user = options.user.as_deref().unwrap_or_default();
    let action = &options.action;
    if action.list {
        return list(&read(&options.file)?);
    }
    password::check_name(user).map_err(|invalid| Failure::misused(invalid.to_string()))?;
    if action.delete {
        delete(&options.file, user)
    } else if action.verify {
        verify(&options.file, user, &options.source)
    } else {
        set(options, user)
    }
}

fn set(options: &Options, user: &str) -> Result<(), Failure> {
    let (path, recipe) = (&options.file, options.recipe.checked()?);
    let create = options.action.create;
    if create && path.exists() {
        let text = format!(
            "{} is there already; without --create the user is added to it",
            path.display()
        );
        return Err(Failure::misused(text));
    }
    // Before anybody is asked for a password that is then of no use.
    if !create {
        read(path)?;
    }
    let password = options.source.new_password(user)?;
    let hashed = Hashed::make(&password, recipe).map_err(|error| match error {
        CannotHash::Recipe(unfit) => Failure::misused(unfit.to_string()),
        CannotHash::Random(_) | CannotHash::Argon2(_) => Failure::refused(error.to_string()),
    })?;
    // Only from here on: hashing takes its time, and others may change the file meanwhile.
    let (_lock, mut document) = if create {
        (None, Document::default())
    } else {
        let lock = lock(path)?;
        (Some(lock), read(path)?)
    };
    let known = document
        .set(user, hashed)
        .map_err(|invalid| Failure::misused(invalid.to_string()))?;
    if create {
        password::create_new(path, &document).map_err(|error| Failure::refused(error.to_string()))?;
    } else {
        write(path, &document)?;
    }
    let done = if known { "changed" } else { "added" };
    tell(&format!("{}: {user} {done}", path.display()))
}

fn delete(path: &Path, user: &str) -> Result<(), Failure> {
    read(path)?;
    let _lock = lock(path)?;
    let mut document = read(path)?;
    if !document.remove(user) {
        return Err(unknown(path, user));
    }
    write(path, &document)?;
    tell(&format!("{}: {user} removed", path.display()))
}

fn verify(path: &Path, user: &str, source: &Source) -> Result<(), Failure> {
    let document = read(path)?;
    let Some(hashed) = document.find(user) else {
        return Err(unknown(path, user));
    };
    if hashed.matches(&source.known_password(user)?) {
        tell(&format!("{}: that is the password of {user}", path.display()))
    } else {
        let text = format!("{}: that is not the password of {user}", path.display());
        Err(Failure::refused(text))
    }
}

fn list(document: &Document) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let wide = document.users().map(|(name, _)| name.chars().count()).max();
    let wide = wide.unwrap_or_default().min(40);
    let mut write = || {
        for (name, hashed) in document.users() {
            writeln!(out, "{name:wide$}  {}", hashed.scheme())?;
        }
        out.flush()
    };
    write().or_else(|error| said_enough(&error))
}

fn read(path: &Path) -> Result<Document, Failure> {
    let document = Document::read(path).map_err(|problems| match &problems {
        FileProblems::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            Failure::misused(format!("there is no file {}; -c makes it", path.display()))
        }
        FileProblems::Io { .. } | FileProblems::TooLarge { .. } | FileProblems::Lines { .. } => {
            Failure::misused(format!("the file cannot be used, and nothing was changed\n{problems}"))
        }
    })?;
    if let Some(exposure) = password::exposure(path).filter(password::Exposure::is_serious) {
        say("passwd", &format!("warning: {exposure}"));
    }
    Ok(document)
}

fn lock(path: &Path) -> Result<password::Lock, Failure> {
    password::lock(path).map_err(|error| Failure::refused(error.to_string()))
}

fn write(path: &Path, document: &Document) -> Result<(), Failure> {
    password::replace(path, document).map_err(|error| Failure::refused(error.to_string()))
}

fn unknown(path: &Path, user: &str) -> Failure {
    let text = format!("{}: there is no user {user}; --list says who is there", path.display());
    Failure::refused(text)
}

fn tell(text: &str) -> Result<(), Failure> {
    writeln!(io::stdout(), "{text}").or_else(|error| said_enough(&error))
}

/// Whoever reads our output may stop reading.
fn said_enough(error: &io::Error) -> Result<(), Failure> {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Ok(());
    }
    Err(Failure::refused(format!("cannot write to standard output: {error}")))
}
