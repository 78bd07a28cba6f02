//! `completions` and `man`: what shells and `man` know of the command.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::Cli;
use crate::context::Context;
use crate::failure::{Exit, Failure};

pub(super) fn completions(shell: Shell, context: &mut Context) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "idempotent", &mut script);
    context.output.bytes(&script)?;
    Ok(Exit::Done)
}

/// One page for the command and all that it does, as `man` shows it.
pub(super) fn man(context: &mut Context) -> Result<Exit, Failure> {
    let mut command = Cli::command();
    command.build();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    for subcommand in command.get_subcommands().filter(|it| it.get_name() != "help") {
        let man = clap_mangen::Man::new(subcommand.clone());
        page.extend_from_slice(
            format!(".SH \"IDEMPOTENT {}\"\n", subcommand.get_name().to_uppercase()).as_bytes(),
        );
        man.render_description_section(&mut page)?;
        man.render_options_section(&mut page)?;
    }
    context.output.bytes(&page)?;
    Ok(Exit::Done)
}
