//! The layers of a profile: bundled < the user's own < a named file < `--set` flags.

use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;
use serde::Deserialize as _;

use super::check::check;
use super::contenders;
use super::de::Fault;
use super::tree::{self, Entry, Node, Origin, Source, SourceKind, Value};
use super::{Profile, ProfileError};
use crate::suggest::did_you_mean;

/// The profiles that the program brings along: name and TOML.
pub const BUNDLED: [(&str, &str); 16] = [
    ("demo", include_str!("../../profiles/demo.toml")),
    ("fastgen-mini", include_str!("../../profiles/fastgen-mini.toml")),
    ("llama2-7b-fastgen", include_str!("../../profiles/llama2-7b-fastgen.toml")),
    ("llama2-13b-fastgen", include_str!("../../profiles/llama2-13b-fastgen.toml")),
    ("llama2-70b-fastgen", include_str!("../../profiles/llama2-70b-fastgen.toml")),
    ("llama2-7b-replicas-fastgen", include_str!("../../profiles/llama2-7b-replicas-fastgen.toml")),
    ("smollm2-135m", include_str!("../../profiles/smollm2-135m.toml")),
    ("llama2-7b-a6000", include_str!("../../profiles/llama2-7b-a6000.toml")),
    ("llama2-7b-cpu", include_str!("../../profiles/llama2-7b-cpu.toml")),
    ("sim", include_str!("../../profiles/sim.toml")),
    ("sim-open", include_str!("../../profiles/sim-open.toml")),
    ("vllm", include_str!("../../profiles/vllm.toml")),
    ("sglang", include_str!("../../profiles/sglang.toml")),
    ("llama.cpp", include_str!("../../profiles/llama.cpp.toml")),
    ("tgi", include_str!("../../profiles/tgi.toml")),
    ("mii", include_str!("../../profiles/mii.toml")),
];

/// A profile ready to run, and where it came from.
#[derive(Debug, Clone)]
pub struct Resolved {
    pub profile: Profile,
    sources: Vec<Source>,
    tree: Node,
}

impl Resolved {
    /// The layers in words, lowest first.
    pub fn layers(&self) -> Vec<String> {
        self.sources.iter().map(Source::name).collect()
    }

    /// An error that points at where a key's value was written: for what only others can check, such as a
    /// theme's or a shape's name. `key` is dotted, e.g. `ui.theme`.
    pub fn error(&self, key: &str, message: &str) -> ProfileError {
        let fault = located(&self.tree, key, message);
        ProfileError::locate(&fault, &self.sources, &self.profile.profile.name)
    }

    /// Whether any layer says this key, e.g. `ui.theme`, rather than leaving it to its default.
    pub fn says(&self, key: &str) -> bool {
        self.tree.holds(key)
    }

    /// Adds to a cell's error where its key was written.
    pub fn locate(&self, error: ProfileError) -> ProfileError {
        match error {
            ProfileError::Cell { key, message } => self.error(&key, &message),
            other => other,
        }
    }

    /// The effective profile as TOML, under a comment that names the layers.
    ///
    /// # Errors
    /// [`ProfileError::Write`] if a value has no form in TOML.
    pub fn to_toml(&self) -> Result<String, ProfileError> {
        let mut text = String::from("# The effective profile. Layers, later wins:\n");
        for (i, layer) in self.layers().iter().enumerate() {
            let layer = layer.replace('\n', " ");
            text.extend(["#   ", &(i + 1).to_string(), ". ", &layer, "\n"]);
        }
        text.push('\n');
        text.push_str(&toml::to_string(&self.profile)?);
        Ok(text)
    }
}

/// A profile in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub name: String,
    /// Its own description; what is wrong with it if it can't be read.
    pub about: String,
    /// `bundled`, a path, or `bundled + PATH`.
    pub origin: String,
}

/// Finds a profile by name or file, lays `sets` (`key=value`) over it, and checks the whole.
///
/// # Errors
/// [`ProfileError`], each with the place and what to do; the command line's exit status is 2.
pub fn resolve(name_or_file: &str, sets: &[String]) -> Result<Resolved, ProfileError> {
    resolve_in(user_folder().as_deref(), name_or_file, sets)
}

/// [`resolve`] with the folder of the user's own profiles given.
///
/// # Errors
/// As [`resolve`].
pub fn resolve_in(
    folder: Option<&Path>,
    name_or_file: &str,
    sets: &[String],
) -> Result<Resolved, ProfileError> {
    let mut layers = Layers::default();
    let name = layers.push_profile(folder, name_or_file)?;
    layers.push_flags(sets, &name)?;
    layers.finish(&name, |profile| contenders::expand(profile, |other| alone(folder, other)))
}

/// A profile for its backend only: what it sweeps over is left out.
fn alone(folder: Option<&Path>, name_or_file: &str) -> Result<Profile, ProfileError> {
    let mut layers = Layers::default();
    let name = layers.push_profile(folder, name_or_file)?;
    let resolved = layers.finish(&name, |profile| {
        profile.sweep.clear();
        Ok(())
    })?;
    Ok(resolved.profile)
}

/// The user's profiles: `$XDG_CONFIG_HOME/fastgen-tui/profiles`.
fn user_folder() -> Option<PathBuf> {
    let base = etcetera::choose_base_strategy().ok()?;
    Some(base.config_dir().join("fastgen-tui").join("profiles"))
}

/// All profiles: the bundled ones, then the user's own by name.
pub fn list() -> Vec<Listed> {
    list_in(user_folder().as_deref())
}

pub(super) fn list_in(folder: Option<&Path>) -> Vec<Listed> {
    let own = folder.map(own_names).unwrap_or_default();
    let bundled = BUNDLED.iter().map(|(name, _)| (*name).to_owned());
    let more = own.iter().filter(|name| bundled_text(name).is_none()).cloned();
    bundled
        .chain(more)
        .map(|name| {
            let file = own.contains(&name).then(|| own_file(folder, &name)).flatten();
            let origin = match (bundled_text(&name), file) {
                (Some(_), Some(file)) => format!("bundled + {}", file.display()),
                (None, Some(file)) => file.display().to_string(),
                (_, None) => "bundled".to_owned(),
            };
            Listed { about: about(folder, &name), origin, name }
        })
        .collect()
}

fn about(folder: Option<&Path>, name: &str) -> String {
    match resolve_in(folder, name, &[]) {
        Ok(resolved) => resolved.profile.profile.about,
        Err(e) => format!("(broken) {}", e.to_string().lines().next().unwrap_or_default()),
    }
}

fn own_names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .filter_map(|path| path.file_stem().and_then(|s| s.to_str()).map(str::to_owned))
        .collect();
    names.sort();
    names
}

fn own_file(folder: Option<&Path>, name: &str) -> Option<PathBuf> {
    let plain = !name.contains(['/', '\\']);
    folder.filter(|_| plain).map(|f| f.join(format!("{name}.toml"))).filter(|path| path.is_file())
}

fn bundled_text(name: &str) -> Option<&'static (&'static str, &'static str)> {
    BUNDLED.iter().find(|(known, _)| *known == name)
}

/// Sources and the tree merged from them so far.
#[derive(Default)]
struct Layers {
    sources: Vec<Source>,
    tree: Option<Node>,
}

impl Layers {
    fn push_profile(&mut self, folder: Option<&Path>, name_or_file: &str) -> Result<String, ProfileError> {
        let own = own_file(folder, name_or_file);
        if own.is_some() || bundled_text(name_or_file).is_some() {
            self.push_named(folder, name_or_file)?;
            return Ok(name_or_file.to_owned());
        }
        let path = Path::new(name_or_file);
        let looks_like_a_file = name_or_file.contains(['/', '\\'])
            || path.extension().is_some_and(|e| e.eq_ignore_ascii_case("toml"));
        if !looks_like_a_file && !path.is_file() {
            return Err(unknown(folder, name_or_file));
        }
        let text = read(path)?;
        let source = Source { kind: SourceKind::File(path.to_owned()), text };
        let stem = path.file_stem().map_or_else(|| name_or_file.into(), |s| s.to_string_lossy());
        // The file is read once on its own for its name: a file named like a profile is laid over that one.
        let alone = tree::parse(0, &source.text)
            .map_err(|fault| ProfileError::locate(&fault, std::slice::from_ref(&source), &stem))?;
        let name = alone.text("profile.name").unwrap_or(&stem).to_owned();
        self.push_named(folder, &name)?;
        self.push(source, &name)?;
        Ok(name)
    }

    /// The bundled profile of a name and the user's own, as far as there are such.
    fn push_named(&mut self, folder: Option<&Path>, name: &str) -> Result<(), ProfileError> {
        if let Some((name, text)) = bundled_text(name) {
            self.push(Source { kind: SourceKind::Bundled(name), text: (*text).to_owned() }, name)?;
        }
        if let Some(path) = own_file(folder, name) {
            let text = read(&path)?;
            self.push(Source { kind: SourceKind::File(path), text }, name)?;
        }
        Ok(())
    }

    fn push(&mut self, source: Source, name: &str) -> Result<(), ProfileError> {
        self.sources.push(source);
        let index = self.sources.len() - 1;
        let node = tree::parse(index, &self.sources[index].text).map_err(|f| self.located(&f, name))?;
        self.lay(node);
        Ok(())
    }

    /// All flags together are one layer, so that two which contradict each other are an error.
    fn push_flags(&mut self, sets: &[String], name: &str) -> Result<(), ProfileError> {
        let mut flags: Option<Node> = None;
        for set in sets {
            self.sources.push(Source { kind: SourceKind::Flag, text: set.clone() });
            let node =
                tree::parse_flag(self.sources.len() - 1, set).map_err(|fault| self.located(&fault, name))?;
            match &mut flags {
                Some(flags) => flags.join(node),
                None => flags = Some(node),
            }
        }
        if let Some(flags) = flags {
            self.lay(flags);
        }
        Ok(())
    }

    fn lay(&mut self, node: Node) {
        match &mut self.tree {
            Some(tree) => tree.overlay(node),
            None => self.tree = Some(node),
        }
    }

    fn located(&self, fault: &Fault, name: &str) -> ProfileError {
        ProfileError::locate(fault, &self.sources, name)
    }

    /// Reads and checks the whole; `complete` sees to `sweep.backend` in between.
    fn finish(
        mut self,
        name: &str,
        complete: impl FnOnce(&mut Profile) -> Result<(), (usize, String)>,
    ) -> Result<Resolved, ProfileError> {
        let nothing = Node { value: Value::Table(Vec::new()), origin: Origin { source: 0, span: 0..0 } };
        let mut tree = self.tree.take().unwrap_or(nothing);
        add_name(&mut tree, name);
        let mut profile = Profile::deserialize(&tree).map_err(|fault| self.located(&fault, name))?;
        if let Err((number, why)) = complete(&mut profile) {
            return Err(self.located(&located(&tree, &format!("sweep.backend.{number}"), &why), name));
        }
        if let Some(problem) = check(&profile).first() {
            return Err(self.located(&located(&tree, &problem.key, &problem.message), name));
        }
        Ok(Resolved { profile, sources: self.sources, tree })
    }
}

/// A profile that doesn't say its name is named after its file.
fn add_name(tree: &mut Node, name: &str) {
    let origin = tree.origin.clone();
    let leaf = |key: &str, value| Entry {
        key: key.to_owned(),
        key_origin: origin.clone(),
        node: Node { value, origin: origin.clone() },
    };
    let Value::Table(root) = &mut tree.value else { return };
    match root.iter_mut().find(|e| e.key == "profile").map(|e| &mut e.node.value) {
        Some(Value::Table(meta)) if meta.iter().all(|e| e.key != "name") => {
            meta.push(leaf("name", Value::Text(name.to_owned())));
        }
        Some(_) => {}
        None => {
            let meta = vec![leaf("name", Value::Text(name.to_owned()))];
            root.insert(0, leaf("profile", Value::Table(meta)));
        }
    }
}

fn located(tree: &Node, key: &str, message: &str) -> Fault {
    Fault {
        message: message.to_owned(),
        path: key.split('.').map(str::to_owned).collect(),
        origin: tree.origin_of(key).cloned(),
    }
}

fn read(path: &Path) -> Result<String, ProfileError> {
    std::fs::read_to_string(path).map_err(|source| ProfileError::Read { path: path.to_owned(), source })
}

fn unknown(folder: Option<&Path>, name: &str) -> ProfileError {
    let own = folder.map(own_names).unwrap_or_default();
    let known = BUNDLED.iter().map(|(name, _)| *name).chain(own.iter().map(String::as_str));
    ProfileError::Unknown { name: name.to_owned(), hint: did_you_mean(name, known) }
}
