//! Sizes of what fits into memory, as the settings write them: `1048576`, `64KiB`, `1M`.
//! Deliberately absent: the units; see `burgee_config::units`.

/// Reads a number of bytes.
pub(crate) fn parse(text: &str) -> Result<usize, String> {
    let bytes = burgee_config::units::size(text)?;
    usize::try_from(bytes).map_err(|_| "that is more than this machine can count".to_owned())
}
