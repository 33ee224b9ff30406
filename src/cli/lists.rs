//! Small commands that show what there is: profiles, themes, shapes; and completions and the manual page.

use std::fmt::Write as _;

use clap::CommandFactory;

use super::args::{Cli, ListArgs, ListCommand};
use super::failure::{Failure, Outcome};
use super::output;
use super::prepare::user_themes;
use crate::profile;
use crate::ui::theme::{self, Depth};

/// `profiles list|show NAME`.
pub fn profiles(args: &ListArgs) -> Outcome {
    match &args.what {
        None | Some(ListCommand::List) => {
            let all = profile::list();
            let width = all.iter().map(|p| p.name.len()).max().unwrap_or(0);
            let mut text = String::new();
            for p in all {
                row(&mut text, &format!("{:<width$}  {}  [{}]", p.name, p.about, p.origin));
            }
            output::print(&text)
        }
        Some(ListCommand::Show { name }) => output::print(&profile::resolve(name, &[])?.to_toml()?),
    }
}

/// `themes list|show NAME`.
pub fn themes(args: &ListArgs) -> Outcome {
    let own = user_themes();
    match &args.what {
        None | Some(ListCommand::List) => {
            let mut text = String::new();
            for listed in theme::list(own.as_deref()) {
                let origin = listed.path.map_or_else(|| "bundled".to_owned(), |p| p.display().to_string());
                row(&mut text, &format!("{:<12}  {origin}", listed.name));
            }
            output::print(&text)
        }
        Some(ListCommand::Show { name }) => {
            use std::io::IsTerminal;
            if std::io::stdout().is_terminal() {
                let depth = Depth::detect(|name| std::env::var(name).ok());
                let shown = theme::load(name, own.as_deref(), depth)?;
                output::print(&theme::preview(&shown))
            } else {
                output::print(&theme::source(name, own.as_deref())?.0)
            }
        }
    }
}

fn row(text: &mut String, line: &str) {
    let written = writeln!(text, "{}", line.trim_end());
    debug_assert!(written.is_ok(), "writing to a string can't fail");
}

/// `completions SHELL`.
pub fn completions(shell: clap_complete::Shell) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "fastgen-tui", &mut script);
    // For bash the generator spells the hyphen of the program's name in two ways; only one is looked up.
    let script = String::from_utf8_lossy(&script).replace("fastgen__subcmd__tui__", "fastgen__tui__");
    output::print(&script)
}

/// `man`: the page of the program, then one a command.
pub fn man() -> Outcome {
    let mut program = Cli::command();
    program.build();
    let mut pages = Vec::new();
    clap_mangen::Man::new(program.clone()).render(&mut pages).map_err(Failure::failed)?;
    for command in program.get_subcommands().filter(|c| c.get_name() != "help" && !c.is_hide_set()) {
        clap_mangen::Man::new(command.clone()).render(&mut pages).map_err(Failure::failed)?;
    }
    output::print(&String::from_utf8_lossy(&pages))
}
