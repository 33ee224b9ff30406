//! Small commands that show what there is: profiles and themes.

use std::fmt::Write as _;

use super::args::{ListArgs, ListCommand};
use super::failure::Outcome;
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
