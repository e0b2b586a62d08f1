//! What the user types: one file for each subcommand, with its flags and what it does.

pub mod create;
pub mod deploy;
pub mod disable_element;
pub mod email;
pub mod enable_element;
pub mod help;
pub mod list;
pub mod register_user;
pub mod report;
mod session;
mod summary;

use crate::{
    cli::Sub,
    error::{Exit, Result},
    host::env::Env,
};

/// Does what was typed.
pub fn run(env: Env, command: Sub) -> Result<Exit> {
    match command {
        Sub::Create(args) => create::run(env, &args),
        Sub::Deploy(args) => deploy::run(env, args),
        Sub::RegisterUser(args) => register_user::run(env, &args),
        Sub::Email(args) => email::run(env, &args),
        Sub::EnableElement(args) => enable_element::run(env, args),
        Sub::DisableElement(args) => disable_element::run(env, &args),
        Sub::List(_) => list::run(&env),
        Sub::Report(args) => report::run(env, &args),
    }
}
