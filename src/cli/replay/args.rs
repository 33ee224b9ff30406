//! `replay`'s arguments. Those of one way to look at a recording (the screens, plain lines, the report, a picture) don't go
//! with another: what would have no effect is refused.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::args::ScreenArgs;

/// `replay FILE`
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The recording; `-` is standard input
    pub file: PathBuf,
    /// Speed, as a factor of real time: 0.25 to 64. With --headless it plays to its end at once, whatever this is
    #[arg(long, default_value_t = 1.0, value_name = "X", value_parser = speed)]
    pub speed: f64,
    /// No screen: play to the end at once and print the report
    #[arg(long, conflicts_with_all = ["shot", "theme", "plain", "plain_every", "with"])]
    pub headless: bool,
    /// With --headless: the report as JSON
    #[arg(long, requires = "headless")]
    pub json: bool,
    #[command(flatten)]
    pub screen: ScreenArgs,
    /// Draw the screen as it was at this time of the run, e.g. 12s, as an SVG picture, and end
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, requires = "output")]
    #[arg(conflicts_with_all = ["plain", "plain_every"])]
    pub shot: Option<Duration>,
    /// With --shot: the picture's file, an SVG; `-` is standard output
    #[arg(short, long, value_name = "FILE", requires = "shot", value_parser = picture)]
    pub output: Option<PathBuf>,
    /// With --shot: columns and rows of the picture
    #[arg(long, value_name = "COLSxROWS", default_value = "120x40", value_parser = size, requires = "shot")]
    pub size: (u16, u16),
    /// With --shot: which screen
    #[arg(long, value_enum, default_value_t = ScreenName::Live, requires = "shot")]
    pub view: ScreenName,
}

/// The dashboard's screens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScreenName {
    Live,
    Latency,
    Clients,
    Requests,
    Curve,
    System,
    Log,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if (0.25..=64.0).contains(&speed) => Ok(speed),
        _ => Err("expected a number from 0.25 to 64".into()),
    }
}

fn size(text: &str) -> Result<(u16, u16), String> {
    let parse = |t: &str| t.parse::<u16>().ok().filter(|n| (1..=500).contains(n));
    let (columns, rows) = text.split_once('x').ok_or("expected COLUMNSxROWS, e.g. 120x40")?;
    parse(columns).zip(parse(rows)).ok_or_else(|| "columns and rows are whole numbers from 1 to 500".into())
}

/// A picture's file. An ending that promises something else than what is written is refused; none promises nothing.
fn picture(text: &str) -> Result<PathBuf, String> {
    let path = Path::new(text);
    match path.extension() {
        Some(ending) if !ending.eq_ignore_ascii_case("svg") => {
            let named = path.with_extension("svg");
            Err(format!("a picture of the screen is an SVG; name it e.g. {}", named.display()))
        }
        _ => Ok(path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::cli::args::Cli;

    fn parses(args: &[&str]) -> Result<(), String> {
        let all = ["fastgen-tui", "replay", "x"].into_iter().chain(args.iter().copied());
        Cli::try_parse_from(all).map(drop).map_err(|e| e.to_string())
    }

    #[test]
    fn what_would_have_no_effect_is_refused() {
        for (wrong, says) in [
            (&["--speed", "100"][..], "0.25 to 64"),
            (&["--shot", "1s", "-o", "y", "--size", "0x9"], "1 to 500"),
            (&["--shot", "1s"], "--output"),
            (&["-o", "y.svg"], "--shot"),
            (&["--size", "80x24"], "--shot"),
            (&["--view", "log"], "--shot"),
            (&["--headless", "--shot", "1s", "-o", "y.svg"], "cannot be used with"),
            (&["--headless", "--view", "log"], "--shot"),
            (&["--headless", "--plain"], "cannot be used with"),
            (&["--headless", "--theme", "dusk"], "cannot be used with"),
            (&["--headless", "--with", "y"], "cannot be used with"),
            (&["--shot", "1s", "-o", "y.svg", "--plain"], "cannot be used with"),
            (&["--shot", "1s", "-o", "y.png"], "y.svg"),
        ] {
            let error = parses(wrong).expect_err(&format!("{wrong:?} is taken"));
            assert!(error.contains(says), "{wrong:?}: {error}");
        }
    }

    #[test]
    fn what_goes_together_is_taken() {
        for right in [
            &["--headless", "--json"][..],
            &["--headless", "--speed", "4"],
            &["--plain", "--plain-every", "1s", "--speed", "64"],
            &[
                "--shot", "1s", "-o", "y.SVG", "--size", "80x24", "--view", "log", "--theme", "dusk",
                "--with", "z",
            ],
            &["--shot", "1s", "-o", "-"],
            &["--shot", "1s", "-o", "/dev/fd/3"],
        ] {
            assert_eq!(parses(right), Ok(()), "{right:?}");
        }
    }
}
