//! `config`: what is in force, and where it was said.

use std::fmt::Write as _;

use clap::{Args, Subcommand};

use super::{At, Config, PLAIN_EVERY, load, path, position};
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output;
use crate::cli::prepare::DEFAULT_PROFILE;
use crate::profile::{Ui, resolve};
use crate::ui::{ByteUnits, TimeUnits};

/// `config [show|path]`
#[derive(Debug, Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    pub what: Option<ConfigCommand>,
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// The settings in force, as TOML, each with where it was said, and all keys (what happens without a word, too)
    Show,
    /// Where the file is, or would be
    Path,
}

/// Carries it out.
pub fn config(args: &ConfigArgs) -> Outcome {
    match args.what {
        Some(ConfigCommand::Path) => match path() {
            Some(path) => output::print(&format!("{}\n", path.display())),
            None => Err(Failure::failed(
                "there is no configuration folder: neither XDG_CONFIG_HOME nor HOME is set",
            )),
        },
        None | Some(ConfigCommand::Show) => {
            let config = load()?;
            check_profile(&config)?;
            output::print(&text(&config))
        }
    }
}

/// Commands that run the profile find out by themselves; here it is told before one does.
fn check_profile(config: &Config) -> Result<(), Failure> {
    let Some(named) = &config.profile else { return Ok(()) };
    let checked =
        resolve(&named.value, &[]).and_then(|r| r.profile.check_runnable().map_err(|error| r.locate(error)));
    checked.map_err(|error| config.fault(named.byte, &format!("profile: {error}")))
}

/// One `key = value` with where it was said.
fn row<T>(out: &mut String, config: &Config, key: &str, value: &str, said: Option<&At<T>>) {
    let from = match (said, &config.text) {
        (Some(at), Some(text)) => format!("line {}", position(text, at.byte).0),
        _ => "built in".to_owned(),
    };
    let _ = writeln!(out, "{:<34} # {from}", format!("{key} = {value}"));
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn text(config: &Config) -> String {
    let place =
        config.path.as_ref().map_or_else(|| "no configuration folder".into(), |p| p.display().to_string());
    let there = if config.text.is_some() { "" } else { " (there is no such file)" };
    let mut out = format!("# {place}{there}\n# A profile's [ui] and flags win over this.\n\n");
    let ui = Ui::default();
    let word = |said: &Option<At<String>>, or: &str| quoted(said.as_ref().map_or(or, |s| &s.value));
    row(&mut out, config, "theme", &word(&config.theme, &ui.theme), config.theme.as_ref());
    row(&mut out, config, "profile", &word(&config.profile, DEFAULT_PROFILE), config.profile.as_ref());
    let fps = config.fps.as_ref().map_or(ui.fps, |f| f.value);
    row(&mut out, config, "fps", &fps.to_string(), config.fps.as_ref());
    let plain = config.plain.as_ref().is_some_and(|p| p.value);
    row(&mut out, config, "plain", &plain.to_string(), config.plain.as_ref());
    let every = config.plain_every.as_ref().map_or(PLAIN_EVERY, |e| e.value);
    let every = quoted(&humantime::format_duration(every).to_string());
    row(&mut out, config, "plain_every", &every, config.plain_every.as_ref());
    let bytes = match config.bytes.as_ref().map(|b| b.value).unwrap_or_default() {
        ByteUnits::Binary => "\"binary\"",
        ByteUnits::Decimal => "\"decimal\"",
    };
    row(&mut out, config, "units.bytes", bytes, config.bytes.as_ref());
    let time = match config.time.as_ref().map(|t| t.value).unwrap_or_default() {
        TimeUnits::Auto => "\"auto\"",
        TimeUnits::Milliseconds => "\"milliseconds\"",
        TimeUnits::Seconds => "\"seconds\"",
    };
    row(&mut out, config, "units.time", time, config.time.as_ref());
    out.push_str("\n[keys]\n");
    for (command, keys, own) in config.keys.all() {
        let name = if command.contains(' ') { quoted(&command) } else { command.clone() };
        let keys: Vec<String> = keys.iter().map(|k| quoted(k)).collect();
        let same = |w: &&crate::ui::Wish| w.command.0.trim() == command;
        let byte = config.wishes.iter().find(same).map(|w| At { value: (), byte: w.command.1 });
        row(&mut out, config, &name, &format!("[{}]", keys.join(", ")), byte.as_ref().filter(|_| own));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_that_cant_run_is_told_with_both_places() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("mine.toml");
        std::fs::write(&file, "[profile]\nname = \"mine\"\n[load]\nclint = 4\n").unwrap();
        let said = |profile: &str| {
            let text = format!("fps = 9\nprofile = {}\n", quoted(profile));
            let mut config = super::super::read::parse(&text).unwrap();
            (config.path, config.text) = (Some("config.toml".into()), Some(text));
            check_profile(&config).map_err(|failure| failure.message)
        };
        assert_eq!(said("sim"), Ok(()));
        let unknown = said("demmo").unwrap_err();
        assert!(
            unknown.starts_with("config.toml:2:11: profile: ") && unknown.contains("`demo`"),
            "{unknown}"
        );
        let wrong = said(&file.display().to_string()).unwrap_err();
        assert!(wrong.starts_with("config.toml:2:11: profile: "), "{wrong}");
        assert!(wrong.contains("mine.toml:4:1") && wrong.contains("did you mean `clients`"), "{wrong}");
        std::fs::write(&file, "[backend]\nkind = \"sim\"\n[load]\nkind = \"trace\"\n").unwrap();
        let cant = said(&file.display().to_string()).unwrap_err();
        assert!(cant.contains("mine.toml:4:8"), "{cant}");
    }

    #[test]
    fn what_is_shown_can_be_read_back_but_for_the_keys_that_all_have() {
        let said = "fps = 9\n[keys]\nfreeze = \"F\"\n";
        let mut config = super::super::read::parse(said).unwrap();
        config.text = Some(said.into());
        let shown = text(&config);
        assert!(shown.contains("fps = 9") && shown.contains("# line 1\n"), "{shown}");
        let line = shown.lines().find(|l| l.starts_with("freeze")).unwrap();
        assert!(line.starts_with("freeze = [\"F\"]") && line.ends_with("# line 3"), "{line}");
        assert!(shown.contains("theme = \"dusk\"") && shown.contains("# built in"), "{shown}");
        let without = shown.replace("interrupt = [\"ctrl-c\"]", "");
        let again = super::super::read::parse(&without).map(|c| c.fps.unwrap().value);
        assert_eq!(again, Ok(9), "{shown}");
    }
}
