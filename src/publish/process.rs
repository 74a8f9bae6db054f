//! A command of the operator's, run without a shell: bounded in time and output, and ended with all that it started.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use livekit_keyd_core::duration;
use livekit_keyd_core::secret::Secret;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

/// How much is kept of what a command writes, from its end.
const MOST_OUTPUT: usize = 16 * 1024;
/// The longest last line that is shown to operators.
const MOST_SHOWN: usize = 200;
/// How long its last output is waited for: something that it left running may hold the pipe open for ever.
const LAST_OUTPUT: Duration = Duration::from_millis(200);

/// A command and how it is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The program and its arguments; not empty.
    pub argv: Vec<String>,
    /// How long it may take.
    pub limit: Duration,
}

/// What one run is told.
#[derive(Default)]
pub(super) struct Input<'a> {
    /// Variables, beside PATH.
    pub(super) variables: Vec<(&'static str, &'a str)>,
    /// Standard input.
    pub(super) stdin: Zeroizing<Vec<u8>>,
    /// What must not be seen of its output.
    pub(super) secrets: Vec<Secret>,
}

impl Program {
    /// Runs it to its end. If this is dropped, it is killed with its process group.
    ///
    /// # Errors
    /// Why it did not succeed: a sentence with its exit status and the last line that it wrote to standard error.
    pub(super) async fn run(&self, input: Input<'_>) -> Result<(), String> {
        let mut run = self.start(&input).map_err(|error| {
            format!("{self} cannot be started: {error}; see that it is there and may be executed")
        })?;
        let stdin = run.write(input.stdin);
        let ended = tokio::time::timeout(self.limit, run.ended()).await;
        stdin.abort();
        let output = run.output(&input.secrets).await;
        let said = match output.last_line() {
            Some(line) => format!("its last line on standard error: {line}"),
            None => "it wrote nothing to standard error".to_owned(),
        };
        match ended {
            Ok(Ok(status)) => {
                tracing::debug!(command = %self, %status, stdout = output.stdout, stderr = output.stderr, "ended");
                if status.success() { Ok(()) } else { Err(format!("{self} ended with {status}; {said}")) }
            }
            Ok(Err(error)) => Err(format!("{self} cannot be waited for: {error}; it was killed")),
            Err(_) => {
                tracing::debug!(command = %self, stdout = output.stdout, stderr = output.stderr, "killed");
                let limit = duration::format(self.limit);
                Err(format!(
                    "{self} did not end within {limit} and was killed with all that it started; {said}"
                ))
            }
        }
    }

    fn start(&self, input: &Input<'_>) -> io::Result<Run> {
        let mut argv = self.argv.iter();
        let mut command = Command::new(argv.next().map_or("", String::as_str));
        command.args(argv).env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.envs(input.variables.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        // Listened to before it can end.
        let children = signal(SignalKind::child())?;
        Run::of(command.spawn()?, children)
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the command `{}`", self.argv.first().map_or("", String::as_str))
    }
}

/// A running command.
struct Run {
    group: Group,
    stdin: Option<pipe::Sender>,
    stdout: Tail,
    stderr: Tail,
}

impl Run {
    fn of(mut child: Child, children: tokio::signal::unix::Signal) -> io::Result<Run> {
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        // From here on it is killed if anything fails.
        let group = Group { child: Some(child), children };
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        Ok(Run {
            group,
            stdin: Some(pipe::Sender::from_owned_fd(stdin.ok_or_else(gone)?.into())?),
            stdout: Tail::of(stdout.ok_or_else(gone)?.into())?,
            stderr: Tail::of(stderr.ok_or_else(gone)?.into())?,
        })
    }

    /// Writes its standard input beside all else, since it may never read it.
    fn write(&mut self, bytes: Zeroizing<Vec<u8>>) -> JoinHandle<()> {
        let stdin = self.stdin.take();
        tokio::spawn(async move {
            let Some(mut stdin) = stdin else { return };
            // One that does not read its input says by its exit status whether that matters.
            let _ = stdin.write_all(&bytes).await;
        })
    }

    async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.group.ended().await
    }

    /// What it wrote. Ends all that still runs if the command itself does.
    async fn output(mut self, secrets: &[Secret]) -> Output {
        drop(self.group);
        Output { stdout: self.stdout.text(secrets).await, stderr: self.stderr.text(secrets).await }
    }
}

/// A child and its process group, which are killed when this is dropped before the child has ended by itself.
struct Group {
    child: Option<Child>,
    /// Says when any child has ended.
    children: tokio::signal::unix::Signal,
}

impl Group {
    async fn ended(&mut self) -> io::Result<ExitStatus> {
        let gone = || io::Error::from(io::ErrorKind::NotFound);
        loop {
            let child = self.child.as_mut().ok_or_else(gone)?;
            if let Some(status) = child.try_wait()? {
                self.child = None;
                return Ok(status);
            }
            self.children.recv().await;
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // One that has not been waited for keeps its number: no other group is hit.
        let Some(mut child) = self.child.take() else { return };
        let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
        // Soon, but not at once: nobody waits for it here.
        std::thread::spawn(move || child.wait());
    }
}

/// Reads a pipe to its end and keeps the last part. It goes on when nobody asks any more: what a command leaves
/// running, like a server, must not die of a pipe without a reader.
struct Tail {
    kept: Arc<Mutex<Zeroizing<Vec<u8>>>>,
    reader: JoinHandle<()>,
}

impl Tail {
    fn of(fd: OwnedFd) -> io::Result<Tail> {
        let mut pipe = pipe::Receiver::from_owned_fd(fd)?;
        let kept = Arc::new(Mutex::new(Zeroizing::new(Vec::with_capacity(2 * MOST_OUTPUT))));
        let keep = Arc::clone(&kept);
        let reader = tokio::spawn(async move {
            let mut part = Zeroizing::new([0; MOST_OUTPUT]);
            while let Ok(read @ 1..) = pipe.read(&mut *part).await {
                let mut kept = keep.lock().unwrap_or_else(PoisonError::into_inner);
                kept.extend_from_slice(part.get(..read).unwrap_or_default());
                let surplus = kept.len().saturating_sub(MOST_OUTPUT);
                kept.drain(..surplus);
            }
        });
        Ok(Tail { kept, reader })
    }

    async fn text(&mut self, secrets: &[Secret]) -> String {
        let _ = tokio::time::timeout(LAST_OUTPUT, &mut self.reader).await;
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let text = Zeroizing::new(String::from_utf8_lossy(&kept).into_owned());
        secrets.iter().fold(text.to_string(), |text, secret| match secret.expose() {
            "" => text,
            exposed => Zeroizing::new(text).replace(exposed, "(secret)"),
        })
    }
}

/// What a command wrote, without secrets.
struct Output {
    stdout: String,
    stderr: String,
}

impl Output {
    fn last_line(&self) -> Option<String> {
        let line = self.stderr.lines().map(str::trim).rfind(|line| !line.is_empty())?;
        Some(line.chars().filter(|c| !c.is_control()).take(MOST_SHOWN).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Program {
        Program { argv: vec!["sh".into(), "-c".into(), script.into()], limit }
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn its_environment_is_what_it_is_told_and_path() {
        let variables = vec![("LIVEKIT_KEYD_OPERATION", "seven")];
        let input = Input { variables, stdin: Zeroizing::new(b"keys".to_vec()), ..Input::default() };
        let script = "read line; env | cut -d= -f1 | grep -v -e PWD -e SHLVL -e '^_$' | sort | tr '\\n' ' ' >&2; echo \"$LIVEKIT_KEYD_OPERATION $line\" >&2; exit 3";
        let error = shell(script, LONG).run(input).await.expect_err("it ends with 3");
        assert_eq!(
            error,
            "the command `sh` ended with exit status: 3; its last line on standard error: LIVEKIT_KEYD_OPERATION PATH seven keys"
        );
    }

    #[tokio::test]
    async fn a_flood_is_cut_and_its_secrets_are_not_shown() {
        let secret = Secret::new("hunter2hunter2".into());
        let input = Input { secrets: vec![secret], ..Input::default() };
        let script = "yes flood | head -c 20000000; echo it is hunter2hunter2 >&2; exit 1";
        let error = shell(script, LONG).run(input).await.expect_err("it ends with 1");
        assert!(error.ends_with("standard error: it is (secret)"), "{error}");
    }

    #[tokio::test]
    async fn one_that_hangs_is_killed_with_its_children() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("child");
        let script = format!("sleep 1000 & echo $! > {0}.new; mv {0}.new {0}; wait", file.display());
        let error =
            shell(&script, Duration::from_millis(500)).run(Input::default()).await.expect_err("it hangs");
        assert!(error.contains("did not end within") && error.contains("killed"), "{error}");
        let child = std::fs::read_to_string(&file).expect("it had a child");
        assert_dies(child.trim()).await;
    }

    #[tokio::test]
    async fn one_that_nobody_waits_for_any_more_is_killed() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("child");
        let script = format!("sleep 1000 & echo $! > {0}.new; mv {0}.new {0}; wait", file.display());
        let task = tokio::spawn(async move { shell(&script, LONG).run(Input::default()).await });
        while !file.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        task.abort();
        assert_dies(std::fs::read_to_string(&file).expect("its child").trim()).await;
    }

    #[tokio::test]
    async fn what_it_leaves_running_lives_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("wrote");
        let script = format!(
            "(until test -e {0}.go; do sleep 0.05; done; echo later && : > {0}) & exit 1",
            file.display()
        );
        shell(&script, LONG).run(Input::default()).await.expect_err("it ends with 1");
        std::fs::write(file.with_extension("go"), "").expect("written");
        let writes = async {
            while !file.exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let wrote = tokio::time::timeout(Duration::from_secs(20), writes).await;
        wrote.expect("it was killed, or died of a closed pipe");
    }

    #[tokio::test]
    async fn one_that_is_not_there_is_said() {
        let program = Program { argv: vec!["/nonexistent/command".into()], limit: LONG };
        let error = program.run(Input::default()).await.expect_err("it is not there");
        assert!(error.contains("`/nonexistent/command` cannot be started"), "{error}");
    }

    fn is_alive(pid: &str) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
    }

    async fn assert_dies(pid: &str) {
        let dies = async {
            while is_alive(pid) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), dies).await.expect("it dies");
    }
}
