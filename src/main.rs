//! Opens the window, or runs one command.

use std::process::ExitCode;

use lucida::cli;

fn main() -> ExitCode {
    // For whoever looks into a fault: RUST_LOG=lucida=debug, wgpu=warn and so on. Silent otherwise.
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("off")).init();
    let arguments = match cli::parse() {
        Ok(arguments) => arguments,
        Err(exit) => return exit,
    };
    match arguments.command {
        Some(command) => cli::run(command),
        None => cli::report(lucida::app::run(arguments.files)),
    }
}
