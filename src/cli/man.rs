//! `man`: the manual page, all commands on it.

use std::io;

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;

use super::Arguments;
use super::exit::{Exit, Failure};
use super::screen::print_bytes;

/// What `man` can be told.
#[derive(Args, Debug)]
#[command(after_help = "Example: livekit-keyd man | man -l -")]
pub struct Options {}

/// How an apostrophe is written.
const PREAMBLE: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

const EXIT_STATUS: &str = r#".SH EXIT STATUS
.TP
0
It did what it was asked, and all is well.
.TP
1
It could not, or the answer is no: a refused token.
.TP
2
It was asked wrongly: options, arguments or configuration.
.TP
3
Something needs a look.
.TP
4
What was waited for did not come in time.
.SH ENVIRONMENT
.TP
LIVEKIT_KEYD_CONFIG, LIVEKIT_KEYD_SOCKET, LIVEKIT_KEYD_ADMIN_SOCKET
As the global options; an option wins.
.TP
NO_COLOR
No colour on a terminal either.
.SH FILES
.TP
/run/livekit\-keyd/sign.sock, /run/livekit\-keyd/admin.sock
Where the daemon listens unless its configuration says otherwise.
.TP
\&./livekit\-keyd\-dev
What
.B livekit\-keyd dev
made. Without options and variables, a command that is run beside it asks that daemon, if the folder is the caller's own.
"#;

/// Runs the command.
///
/// # Errors
/// What writing met.
pub fn run(_: Options) -> Result<Exit, Failure> {
    let page = page().map_err(|error| Failure::failed(format!("the manual page cannot be made: {error}")))?;
    print_bytes(&page)?;
    Ok(Exit::Fine)
}

fn page() -> io::Result<Vec<u8>> {
    let mut command = Arguments::command();
    command.build();
    let mut page = Vec::new();
    let man = Man::new(command.clone());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    page.extend_from_slice(b".SH COMMANDS\n");
    for command in command.get_subcommands().filter(|command| command.get_name() != "help") {
        page.extend_from_slice(section(command)?.as_bytes());
    }
    page.extend_from_slice(EXIT_STATUS.as_bytes());
    Ok(format!("{PREAMBLE}{}", without_preambles(&page)).into_bytes())
}

/// Each rendered section begins with one; a page needs one.
fn without_preambles(page: &[u8]) -> String {
    String::from_utf8_lossy(page).replace(PREAMBLE, "")
}

/// A command under its own heading; options that every command has are on the page once.
fn section(command: &Command) -> io::Result<String> {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let mut body = Vec::new();
    let own = command
        .clone()
        .mut_args(|arg| if arg.is_global_set() || arg.get_id() == "help" { arg.hide(true) } else { arg });
    let man = Man::new(own.clone());
    man.render_synopsis_section(&mut body)?;
    if own.get_arguments().any(|arg| !arg.is_hide_set()) {
        man.render_options_section(&mut body)?;
    }
    let body = without_preambles(&body).replace(".SH SYNOPSIS\n", "").replace(".SH OPTIONS\n", "");
    let name = command.get_name().replace('-', "\\-");
    let mut text = format!(".SS {name}\n{}.\n.PP\n{body}", roff(&about));
    match after.lines().count() {
        0 => {}
        1 => text.push_str(&format!(".PP\n{}\n", roff(&after))),
        _ => text.push_str(&format!(".PP\n.nf\n{}\n.fi\n", roff(&after))),
    }
    Ok(text)
}

/// Text that roff takes as text.
fn roff(text: &str) -> String {
    let escape = |line: &str| {
        let line = line.replace('\\', "\\\\").replace('-', "\\-");
        if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
    };
    text.lines().map(escape).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_on_the_page() {
        let text = String::from_utf8(page().expect("a page")).expect("text");
        for command in Arguments::command().get_subcommands() {
            let heading = format!(".SS {}\n", command.get_name().replace('-', "\\-"));
            assert!(text.contains(&heading), "{} is missing", command.get_name());
        }
        assert!(text.contains(".SH EXIT STATUS") && text.contains("canPublish"));
    }
}
