//! A process that ends with the test, whatever becomes of the test.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{LazyLock, mpsc};
use std::time::{Duration, Instant};
use std::{io, thread};

use rustix::process::{Pid, Signal, kill_process};

use super::eventually::{self, PATIENCE};
use super::log::Log;

/// A running or ended process and what it wrote.
pub(crate) struct Server {
    name: String,
    child: Child,
    log: Log,
    status: Option<ExitStatus>,
}

impl Server {
    /// Starts `command` with its output in the log and nothing on its standard input.
    pub(crate) fn spawn(name: &str, command: Command) -> Server {
        let log = Log::default();
        Server::spawn_into(name, command, log)
    }

    /// As [`Server::spawn`], into the log of an earlier run.
    pub(crate) fn spawn_into(name: &str, command: Command, log: Log) -> Server {
        let mut command = killed_with_us(command);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = spawn_from_lasting_thread(command)
            .unwrap_or_else(|error| panic!("{name} does not start: {error} (setpriv comes with util-linux)"));
        log.follow(child.stdout.take().expect("standard output is a pipe"));
        log.follow(child.stderr.take().expect("standard error is a pipe"));
        Server { name: name.to_owned(), child, log, status: None }
    }

    /// What it wrote.
    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().expect("a child can be waited for");
        }
        self.status
    }

    /// Waits until `answers` holds. A process that ends meanwhile fails the test with its log.
    pub(crate) fn wait_until(&mut self, what: &str, mut answers: impl FnMut() -> bool) {
        let what = format!("{}: {what}", self.name);
        eventually::eventually(PATIENCE, &what, || {
            if answers() {
                return true;
            }
            if let Some(status) = self.ended() {
                panic!("{} ended with {status} before {what}:\n{}", self.name, self.log.text());
            }
            false
        });
    }

    /// Sends a signal, unless it has ended.
    pub(crate) fn signal(&mut self, signal: Signal) {
        if self.ended().is_none() {
            kill_process(Pid::from_child(&self.child), signal).expect("a signal can be sent to a child");
        }
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self, timeout: Duration) -> ExitStatus {
        let what = format!("{} ends; its log:\n{}", self.name, self.log.text());
        eventually::value(timeout, &what, || self.ended())
    }

    /// Asks it to end, and waits.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait(PATIENCE)
    }

    /// Asks it to end, and kills it when it has not after `grace`.
    pub(crate) fn terminate_within(&mut self, grace: Duration) {
        self.signal(Signal::TERM);
        let end = Instant::now() + grace;
        while self.ended().is_none() && Instant::now() < end {
            thread::sleep(Duration::from_millis(10));
        }
        self.kill();
    }

    /// Ends it as a power cut would, and waits.
    pub(crate) fn kill(&mut self) -> ExitStatus {
        self.signal(Signal::KILL);
        self.wait(PATIENCE)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Errors mean that it is gone; a panic here would hide the test's own.
        if self.status.is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// The same command, killed by the kernel when the thread that started it ends.
fn killed_with_us(command: Command) -> Command {
    let mut wrapped = Command::new("setpriv");
    wrapped.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        wrapped.current_dir(folder);
    }
    wrapped
}

/// The kernel counts the thread, not the process, as a child's parent, and a
/// test's thread ends before a server that several tests share. So one thread,
/// which lasts as long as the process, starts all children.
fn spawn_from_lasting_thread(command: Command) -> io::Result<Child> {
    type Request = (Command, mpsc::Sender<io::Result<Child>>);
    static SPAWNER: LazyLock<mpsc::Sender<Request>> = LazyLock::new(|| {
        let (requests, incoming) = mpsc::channel::<Request>();
        thread::spawn(move || {
            for (mut command, answer) in incoming {
                // Nobody to answer: the test has ended, and the child ends with the process.
                let _ = answer.send(command.spawn());
            }
        });
        requests
    });
    let (answer, result) = mpsc::channel();
    SPAWNER.send((command, answer)).expect("the spawning thread lasts");
    result.recv().expect("the spawning thread answers")
}
