//! Arguments to one command.

use std::process::ExitCode;

use clap::Parser;
use livekit_keyd::cli::context::Context;
use livekit_keyd::cli::exit::{Exit, Failure};
use livekit_keyd::cli::screen::remark;
use livekit_keyd::cli::{self, Arguments, Command};

fn main() -> ExitCode {
    match start(Arguments::parse()) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            remark(&format!("livekit-keyd: {}", failure.message));
            failure.exit.into()
        }
    }
}

fn start(arguments: Arguments) -> Result<Exit, Failure> {
    let context = Context::new(arguments.globals);
    let command = dispatch(&context, arguments.command);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::failed(format!("cannot start: {error}")))?.block_on(command)
}

async fn dispatch(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Init(options) => cli::init::run(context, options).await,
        Command::Status(options) => cli::status::run(context, options).await,
        Command::Plan(options) => cli::plan::run(context, options).await,
        Command::Keys(options) => cli::keys::run(context, options).await,
        Command::Rotate(options) => cli::rotate::run(context, options).await,
        Command::Activate(options) => cli::activate::run(context, options).await,
        Command::Hold(options) => cli::hold::run(context, options).await,
        Command::Resume(options) => cli::resume::run(context, options).await,
        Command::Refresh(options) => cli::refresh::run(context, options).await,
        Command::Reload(options) => cli::reload::run(context, options).await,
        Command::AcceptRestored(options) => cli::accept_restored::run(context, options).await,
        Command::Wait(options) => cli::wait::run(context, options).await,
        Command::Token(options) => cli::token::run(context, options).await,
        Command::Inspect(options) => cli::inspect::run(context, options).await,
        Command::Completions(options) => cli::completions::run(options),
        Command::Man(options) => cli::man::run(options),
    }
}
