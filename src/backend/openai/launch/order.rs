//! What is to be started: `[backend.launch]` with its placeholders filled in and its program found.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::backend::openai::target::Target;
use crate::profile::{Launch, Profile};

/// A program, ready to start: what a supervisor is told. It goes over a socket, since it holds secrets.
#[derive(Serialize, Deserialize)]
pub struct Order {
    /// An absolute path.
    pub program: String,
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    /// An absolute path.
    pub cwd: String,
}

/// The profile's key that is to blame, and what is wrong.
pub type Wrong = (&'static str, String);

impl Order {
    /// Fills in, and looks for the program.
    ///
    /// # Errors
    /// The program is not there or can't be run, a folder or a variable is missing, a placeholder has no value.
    pub fn of(profile: &Profile, launch: &Launch) -> Result<Self, Wrong> {
        let fill = |text: &str, key| fill(text, profile, launch).map_err(|why| (key, why));
        let words = launch.command.iter().map(|word| fill(word, "backend.launch.command"));
        let more = launch.args.iter().map(|word| fill(word, "backend.launch.args"));
        let mut words = words.chain(more).collect::<Result<Vec<_>, _>>()?.into_iter();
        let mut env = Vec::new();
        for (name, value) in &launch.env {
            env.push((name.clone(), fill(value, "backend.launch.env")?));
        }
        for (name, from) in &launch.env_from {
            let value = std::env::var(from).map_err(|_| {
                let why =
                    format!("the environment variable {from}, for the server's {name}, is not set to a text");
                ("backend.launch.env_from", why)
            })?;
            env.push((name.clone(), value));
        }
        let cwd = folder(launch.cwd.as_deref())?;
        let path = env.iter().find(|(name, _)| name == "PATH").map(|(_, path)| OsString::from(path));
        let path = path.or_else(|| std::env::var_os("PATH")).unwrap_or_default();
        let wanted = words.next().unwrap_or_default();
        let program = find(&wanted, &path, &cwd).map_err(|why| ("backend.launch.command", why))?;
        let text = |path: PathBuf, key| {
            let told = path.display().to_string();
            path.into_os_string().into_string().map_err(|_| (key, format!("{told} is no path in UTF-8")))
        };
        Ok(Self {
            program: text(program, "backend.launch.command")?,
            args: words.collect(),
            env,
            cwd: text(cwd, "backend.launch.cwd")?,
        })
    }
}

/// The text with `{model}`, `{host}` and `{port}` filled in; other braces may be JSON's.
fn fill(text: &str, profile: &Profile, launch: &Launch) -> Result<String, String> {
    let mut text = text.to_owned();
    if text.contains("{model}") {
        let model = &profile.model;
        let path = match &model.path {
            // A path from our folder must still lead there from the server's.
            Some(path) if launch.cwd.is_some() => std::path::absolute(path).ok(),
            path => path.clone(),
        };
        let path = path.map(|path| path.display().to_string());
        let Some(name) = path.or_else(|| model.hub.clone()) else {
            let random =
                if model.dummy.is_some() { " (it can't load random weights of a named shape)" } else { "" };
            return Err(format!(
                "`{{model}}` needs to know what the server is to load{random}: set model.path or model.hub, e.g. \
                 --set model.hub=org/name"
            ));
        };
        text = text.replace("{model}", &name);
    }
    if text.contains("{host}") || text.contains("{port}") {
        let first = profile.backend.urls.first().ok_or("`{host}` and `{port}` are those of backend.urls")?;
        let target = Target::parse(first)?;
        text = text.replace("{host}", &target.host).replace("{port}", &target.port.to_string());
    }
    Ok(text)
}

fn folder(cwd: Option<&Path>) -> Result<PathBuf, Wrong> {
    let wrong = |why: String| ("backend.launch.cwd", why);
    let here =
        std::env::current_dir().map_err(|e| wrong(format!("the current folder can't be found: {e}")))?;
    let folder = here.join(cwd.unwrap_or(Path::new("")));
    match folder.metadata() {
        Ok(is) if is.is_dir() => Ok(folder),
        Ok(_) => Err(wrong(format!("{} is no folder", folder.display()))),
        Err(error) => Err(wrong(format!("{}: {error}", folder.display()))),
    }
}

/// The program of this name: a path from `cwd`, or in the folders of `path`.
fn find(program: &str, path: &OsString, cwd: &Path) -> Result<PathBuf, String> {
    let candidates: Vec<PathBuf> = if program.contains('/') {
        vec![cwd.join(program)]
    } else {
        std::env::split_paths(path).map(|folder| cwd.join(folder).join(program)).collect()
    };
    let there: Vec<&PathBuf> = candidates.iter().filter(|file| file.is_file()).collect();
    let can_run = |file: &Path| rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok();
    if let Some(found) = there.iter().find(|file| can_run(file)) {
        return Ok((*found).clone());
    }
    if let Some(file) = there.first() {
        return Err(format!("{} can't be run; is it a program, and `chmod +x`?", file.display()));
    }
    let hint = if program.starts_with('~') || program.contains('$') {
        "; no shell looks at the command, so `~` and `$` stand for themselves: write the path in full"
    } else if program.contains(' ') {
        "; the program and each of its arguments are texts of their own: [\"program\", \"--flag\", \"value\"]"
    } else if program.contains('/') {
        ""
    } else {
        " in the folders of PATH; install it, or write its path in full"
    };
    Err(format!("there is no program `{program}`{hint}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use super::*;
    use crate::profile::resolve_in;

    fn profile(sets: &[&str]) -> Profile {
        let urls = "backend={kind=\"openai\", urls=[\"http://127.0.0.1:8123/v1\"]}";
        let sets: Vec<String> = [urls].iter().chain(sets).map(|s| (*s).to_owned()).collect();
        resolve_in(None, "sim", &sets).unwrap().profile
    }

    fn order(launch: &str, more: &[&str]) -> Result<Order, Wrong> {
        let launch = format!("backend.launch={launch}");
        let profile = profile(&[&[launch.as_str()], more].concat());
        Order::of(&profile, profile.backend.launch.as_ref().unwrap())
    }

    #[test]
    fn placeholders_are_filled_in_and_other_braces_left() {
        let launch =
            r#"{command=["sh", "-m", "{model}", "http://{host}:{port}", "{\"a\":{}}"], env={X="{port}"}}"#;
        let order = order(launch, &["model.hub=org/name"]).ok().unwrap();
        assert!(order.program.ends_with("/sh") && order.program.starts_with('/'), "{}", order.program);
        assert_eq!(order.args, ["-m", "org/name", "http://127.0.0.1:8123", "{\"a\":{}}"]);
        assert_eq!(order.env, [("X".to_owned(), "8123".to_owned())]);
    }

    #[test]
    fn what_is_missing_is_said_with_its_key() {
        let moved = order(r#"{command=["sh", "{model}"], cwd="/"}"#, &["model.path=x.gguf"]).ok().unwrap();
        assert!(
            moved.args[0].ends_with("/x.gguf") && moved.args[0].len() > "/x.gguf".len(),
            "{:?}",
            moved.args
        );
        for (launch, key, words) in [
            (
                r#"{command=["no-such-program-here"]}"#,
                "command",
                "no program `no-such-program-here` in the folders",
            ),
            (r#"{command=["~/bin/x"]}"#, "command", "write the path in full"),
            (r#"{command=["vllm serve x"]}"#, "command", "texts of their own"),
            (r#"{command=["./Cargo.toml"]}"#, "command", "Cargo.toml can't be run"),
            (r#"{command=["sh", "{model}"]}"#, "command", "set model.path or model.hub"),
            (r#"{command=["sh"], cwd="/nowhere"}"#, "cwd", "/nowhere: No such file"),
            (
                r#"{command=["sh"], env_from={A="NO_SUCH_VARIABLE"}}"#,
                "env_from",
                "NO_SUCH_VARIABLE, for the server's A",
            ),
        ] {
            let (blamed, why) = order(launch, &[]).err().unwrap();
            assert_eq!(blamed, format!("backend.launch.{key}"));
            assert!(why.contains(words), "{why}");
        }
        let (_, why) = order(r#"{command=["sh", "{model}"]}"#, &["model.dummy=tiny"]).err().unwrap();
        assert!(why.contains("can't load random weights"), "{why}");
    }
}
