//! Commands of the operator's in the configuration: a program and its arguments, without a shell.

use std::path::Path;

use super::reader::{Reader, Reported, Written};

/// A program with its arguments. One that is named by a path with a slash lies in relation to the configuration.
pub(super) fn argv(
    section: &mut Reader<'_>,
    name: &'static str,
    required: Option<&str>,
) -> Result<Option<Written<Vec<String>>>, Reported> {
    let written = section.list::<String>(name)?;
    let spot = section.place_of(name);
    let Some(written) = written else {
        return required.map_or(Ok(None), |hint| Err(section.missing(name, hint)));
    };
    let mut argv: Vec<String> = written.into_iter().map(|argument| argument.value).collect();
    let Some(program) = argv.first_mut() else {
        return Err(section.context.report(&spot, "names no program: write it, and its arguments after it"));
    };
    if program.contains('/') {
        *program = section.context.resolve(Path::new(&*program)).display().to_string();
    }
    Ok(Some(Written { value: argv, spot }))
}
