//! What a shell or a reader is given of the command line: completion scripts and the manual page.

use clap::builder::PossibleValuesParser;
use clap::{Arg, Command, CommandFactory};
use clap_complete::Shell;

use super::args::Cli;
use super::failure::{Failure, Outcome};
use super::output;
use super::prepare::user_themes;
use crate::profile;
use crate::ui::theme;

/// `completions SHELL`.
pub fn completions(shell: Shell) -> Outcome {
    let names = Names::there_are();
    output::print(&script(shell, &names))
}

/// Names that a shell may complete.
struct Names {
    profiles: Vec<String>,
    themes: Vec<String>,
}

impl Names {
    /// The bundled ones and, as of now, the user's own. What a shell would have to quote is left out.
    fn there_are() -> Self {
        let plain = |name: &String| name.chars().all(|c| c.is_alphanumeric() || ".-_".contains(c));
        let profiles = profile::list().into_iter().map(|listed| listed.name);
        let themes = theme::list(user_themes().as_deref()).into_iter().map(|listed| listed.name);
        Self { profiles: profiles.filter(plain).collect(), themes: themes.filter(plain).collect() }
    }

    /// Those that an argument of a command takes.
    fn of(&self, command: &str, arg: &Arg) -> Option<&[String]> {
        match (arg.get_id().as_str(), command) {
            ("profile", _) | ("name", "profiles") => Some(&self.profiles),
            ("theme", _) | ("name", "themes") => Some(&self.themes),
            _ => None,
        }
    }
}

/// The script. Only this copy of the command line knows the names as its possible values: the one that is parsed by
/// takes files and what is written later, too.
fn script(shell: Shell, names: &Names) -> String {
    let mut bytes = Vec::new();
    let mut command = named(Cli::command(), "", names);
    clap_complete::generate(shell, &mut command, "fastgen-tui", &mut bytes);
    let script = String::from_utf8_lossy(&bytes).into_owned();
    match shell {
        // The generator spells the hyphen of the program's name in two ways; only one is looked up. Where no name fits,
        // bash completes files by itself.
        Shell::Bash => script.replace("fastgen__subcmd__tui__", "fastgen__tui__"),
        Shell::Zsh => {
            let list = format!("({})", names.profiles.join(" "));
            // A colon that is not escaped would begin another argument.
            let files = format!(r#"{{_alternative "profiles\:profile\:{list}" "files\:file\:_files"}}"#);
            script.replace(&format!(":NAME|FILE:{list}"), &format!(":NAME|FILE:{files}"))
        }
        Shell::Fish => {
            let script: String = script.lines().map(|line| with_files(line) + "\n").collect();
            // While an option's value is typed it can't be parsed: there is no command yet, and that is no failure.
            script.replace("2>/dev/null\n    or return\n", "2>/dev/null\n    or return 0\n")
        }
        _ => script,
    }
}

/// In fish `-f` would keep files from `--profile`.
fn with_files(line: &str) -> String {
    if line.contains(" -l profile ") { line.replacen(" -r -f -a ", " -r -a ", 1) } else { line.to_owned() }
}

/// A command whose arguments know the names, with all its subcommands; `parent` is what it is a subcommand of.
fn named(command: Command, parent: &str, names: &Names) -> Command {
    let name = command.get_name().to_owned();
    let command = command.mut_args(|arg| match names.of(parent, &arg) {
        // They live as long as the process, which ends with the script.
        Some(all) => {
            arg.value_parser(PossibleValuesParser::new(all.iter().map(|name| &*name.clone().leak())))
        }
        None => arg,
    });
    command.mut_subcommands(|sub| named(sub, &name, names))
}

/// `man`: the page of the program, then one a command.
pub fn man() -> Outcome {
    output::print(&String::from_utf8_lossy(&pages()?))
}

fn pages() -> Result<Vec<u8>, Failure> {
    // What this binary was built for is in `--version`; its long list of words would break no page's lines.
    let mut program = Cli::command().long_version(env!("CARGO_PKG_VERSION"));
    program.build();
    let mut pages = Vec::new();
    clap_mangen::Man::new(program.clone()).render(&mut pages).map_err(Failure::failed)?;
    for command in program.get_subcommands().filter(|c| c.get_name() != "help" && !c.is_hide_set()) {
        clap_mangen::Man::new(command.clone()).render(&mut pages).map_err(Failure::failed)?;
    }
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn names() -> Names {
        Names { profiles: vec!["demo".into(), "my-own".into()], themes: vec!["dusk".into(), "paper".into()] }
    }

    #[test]
    fn every_shell_completes_names_and_files() {
        let names = names();
        let bash = script(Shell::Bash, &names);
        assert!(bash.matches("compgen -W \"demo my-own\"").count() >= 3, "{bash}");
        assert!(bash.contains("compgen -W \"dusk paper\"") && bash.contains("-o default"));
        let zsh = script(Shell::Zsh, &names);
        assert!(
            zsh.contains(r#"{_alternative "profiles\:profile\:(demo my-own)" "files\:file\:_files"}"#),
            "{zsh}"
        );
        assert!(zsh.contains(":NAME:(dusk paper)"), "{zsh}");
        let fish = script(Shell::Fish, &names);
        assert!(
            fish.contains("-- $cmd 2>/dev/null\n    or return 0\n"),
            "values of the program's own options: {fish}"
        );
        let lines: Vec<_> = fish.lines().filter(|line| line.contains(" -l profile ")).collect();
        assert!(!lines.is_empty() && lines.iter().all(|l| l.contains(" -r -a \"demo")), "{lines:?}");
        for shell in [Shell::Elvish, Shell::PowerShell] {
            assert!(script(shell, &names).contains("--theme"));
        }
    }

    #[test]
    fn names_are_no_limit() {
        let cli = Cli::try_parse_from(["fastgen-tui", "--profile", "./x.toml", "--theme", "mine"]).unwrap();
        assert_eq!(cli.run.profile.as_deref(), Some("./x.toml"));
        let names = Names::there_are();
        assert!(names.profiles.iter().any(|n| n == "llama.cpp") && names.themes.iter().any(|n| n == "dusk"));
    }

    #[test]
    fn lines_of_the_manual_can_be_broken() {
        let pages = String::from_utf8(pages().unwrap()).unwrap();
        let longest = pages.split_whitespace().max_by_key(|word| word.len()).unwrap();
        assert!(longest.len() < 72, "a reader's line can't hold {longest}");
    }
}
