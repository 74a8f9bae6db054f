//! Arguments to one command.

use std::alloc::System;
use std::process::ExitCode;

use clap::Parser;
use livekit_keyd::cli::context::Context;
use livekit_keyd::cli::exit::{Exit, Failure};
use livekit_keyd::cli::screen::remark;
use livekit_keyd::cli::{self, Arguments, ClientCommand, Command};
use zeroizing_alloc::ZeroAlloc;

/// Libraries leave copies of secrets behind, in buffers and in parsed JSON.
#[global_allocator]
static WIPES: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    match start(Arguments::parse()) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            remark(&format!("livekit-keyd: {}", failure.message));
            failure.exit.into()
        }
    }
}

/// The daemon brings threads of its own; the other commands ask it and need none.
fn start(arguments: Arguments) -> Result<Exit, Failure> {
    let context = Context::new(arguments.globals);
    match arguments.command {
        Command::Run(options) => cli::run::run(&context, options),
        Command::Dev(options) => cli::dev::run(&context, options),
        Command::Check(options) => cli::check::run(&context, options),
        Command::Audit(options) => cli::audit::run(&context, options),
        Command::Explain(options) => cli::explain::run(&context, options),
        Command::VaultPolicy(options) => cli::vault_policy::run(&context, options),
        Command::Completions(options) => cli::completions::run(options),
        Command::Man(options) => cli::man::run(options),
        Command::Client(command) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| Failure::failed(format!("cannot start: {error}")))?;
            runtime.block_on(ask(&context, command))
        }
    }
}

async fn ask(context: &Context, command: ClientCommand) -> Result<Exit, Failure> {
    match command {
        ClientCommand::Init(options) => cli::init::run(context, options).await,
        ClientCommand::Status(options) => cli::status::run(context, options).await,
        ClientCommand::Plan(options) => cli::plan::run(context, options).await,
        ClientCommand::Keys(options) => cli::keys::run(context, options).await,
        ClientCommand::Rotate(options) => cli::rotate::run(context, options).await,
        ClientCommand::Activate(options) => cli::activate::run(context, options).await,
        ClientCommand::Import(options) => cli::import::run(context, options).await,
        ClientCommand::Revoke(options) => cli::revoke::run(context, options).await,
        ClientCommand::Node(options) => cli::node::run(context, options).await,
        ClientCommand::Hold(options) => cli::hold::run(context, options).await,
        ClientCommand::Resume(options) => cli::resume::run(context, options).await,
        ClientCommand::Refresh(options) => cli::refresh::run(context, options).await,
        ClientCommand::Reload(options) => cli::reload::run(context, options).await,
        ClientCommand::AcceptRestored(options) => cli::accept_restored::run(context, options).await,
        ClientCommand::Wait(options) => cli::wait::run(context, options).await,
        ClientCommand::Token(options) => cli::token::run(context, options).await,
        ClientCommand::Inspect(options) => cli::inspect::run(context, options).await,
    }
}
