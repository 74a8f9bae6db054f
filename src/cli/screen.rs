//! Where output goes: colour and drawing on a terminal only, and a reader that leaves early is no error.

use std::io::{self, ErrorKind, IsTerminal, Write};

use rustix::termios::tcgetwinsize;

use super::exit::Failure;

/// What a page may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// Whether somebody looks at it.
    pub terminal: bool,
    /// Whether colour may be used.
    pub colour: bool,
    /// Columns; pages that nobody looks at are not wrapped.
    pub width: usize,
}

/// What a colour means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hue {
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// Wrong.
    Bad,
    /// Beside the point.
    Dim,
    /// What one looks for.
    Bold,
}

impl Screen {
    /// Plain text of any width: what a pipe gets.
    pub const PLAIN: Screen = Screen { terminal: false, colour: false, width: usize::MAX };

    /// What standard output is.
    pub fn of_stdout() -> Screen {
        let stdout = io::stdout();
        if !stdout.is_terminal() {
            return Screen::PLAIN;
        }
        let width = tcgetwinsize(&stdout).map_or(80, |size| usize::from(size.ws_col));
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let colour = set("NO_COLOR").is_none() && set("TERM").is_none_or(|terminal| terminal != "dumb");
        Screen { terminal: true, colour, width: if width == 0 { 80 } else { width } }
    }

    /// The text in a colour, if there is colour.
    pub fn paint(&self, hue: Hue, text: &str) -> String {
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        let code = match hue {
            Hue::Good => "32",
            Hue::Warn => "33",
            Hue::Bad => "31",
            Hue::Dim => "2",
            Hue::Bold => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// Words broken into lines that start with an indent, as far as the width allows.
    pub fn wrap(&self, indent: usize, text: &str) -> String {
        let room = self.width.saturating_sub(indent).max(20);
        let mut lines = vec![String::new()];
        let mut used = 0;
        for word in text.split_whitespace() {
            let length = word.chars().count();
            if used > 0 && used + 1 + length > room {
                lines.push(String::new());
                used = 0;
            }
            let Some(line) = lines.last_mut() else { continue };
            if used > 0 {
                line.push(' ');
                used += 1;
            }
            line.push_str(word);
            used += length;
        }
        let indent = " ".repeat(indent);
        lines.iter().map(|line| format!("{indent}{line}\n")).collect()
    }
}

/// Writes to standard output.
///
/// # Errors
/// What the system said. That nobody reads any more is none: `| head` has what it wanted.
pub fn print(text: &str) -> Result<(), Failure> {
    print_bytes(text.as_bytes())
}

/// Writes bytes to standard output as they are.
///
/// # Errors
/// As [`print()`].
pub fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("writing to standard output failed: {error}")))
        }
        _ => Ok(()),
    }
}

/// Says something to the person beside the output. Where nobody can hear it, nothing is lost.
pub fn remark(text: &str) {
    let _nobody_hears = writeln!(io::stderr().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_wrap_at_the_width_only_where_somebody_looks() {
        let narrow = Screen { terminal: true, colour: false, width: 30 };
        let text = "a rotation is due and waits for a standby";
        assert_eq!(narrow.wrap(4, text), "    a rotation is due and\n    waits for a standby\n");
        assert_eq!(Screen::PLAIN.wrap(2, text), format!("  {text}\n"));
    }

    #[test]
    fn no_escape_leaves_a_screen_without_colour() {
        assert_eq!(Screen::PLAIN.paint(Hue::Bad, "wrong"), "wrong");
        let screen = Screen { terminal: true, colour: true, width: 80 };
        assert_eq!(screen.paint(Hue::Bad, "wrong"), "\x1b[31mwrong\x1b[0m");
    }
}
