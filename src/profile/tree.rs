//! A profile on its way in: TOML whose every key and value knows which layer, and which bytes of it, it
//! comes from. Layers are merged as such trees, so that an error found after merging can still point at the
//! line that caused it.

use std::ops::Range;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::de::Fault;

/// Where a layer's text comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceKind {
    /// Compiled into the program.
    Bundled(&'static str),
    /// A file.
    File(PathBuf),
    /// A `--set` flag; the text is `key=value`.
    Flag,
}

/// A layer's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub kind: SourceKind,
    pub text: String,
}

impl Source {
    /// The source in words: `bundled profile "demo"`, a path, `--set key=value`.
    pub fn name(&self) -> String {
        match &self.kind {
            SourceKind::Bundled(name) => format!("bundled profile \"{name}\""),
            SourceKind::File(path) => path.display().to_string(),
            SourceKind::Flag => format!("--set {}", self.text),
        }
    }
}

/// Bytes `span` of the source with this index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub source: usize,
    pub span: Range<usize>,
}

/// A value and where it was written.
#[derive(Debug, Clone)]
pub struct Node {
    pub value: Value,
    pub origin: Origin,
}

/// TOML's values; dates have no place in a profile.
#[derive(Debug, Clone)]
pub enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Array(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key of a table, and its value.
#[derive(Debug, Clone)]
pub struct Entry {
    pub key: String,
    pub key_origin: Origin,
    pub node: Node,
}

/// Reads a whole document.
pub fn parse(source: usize, text: &str) -> Result<Node, Fault> {
    let document = DeTable::parse(text).map_err(|e| syntax(source, 0, text, &e))?;
    let place = Place { source, offset: 0 };
    Ok(Node { value: place.table(document.get_ref())?, origin: Origin { source, span: 0..0 } })
}

/// Reads a `--set` flag, `a.b.c=value`, as a document with that one key. A value that is no TOML is taken
/// for a text, so that `backend.device=cpu` and `stop.duration=30s` need no quotes within quotes.
pub fn parse_flag(source: usize, flag: &str) -> Result<Node, Fault> {
    let whole = Origin { source, span: 0..flag.len() };
    let Some((path, text)) = flag.split_once('=') else {
        return Err(Fault::new("a setting is written key=value, e.g. load.clients=16").at(&whole));
    };
    let value_start = path.len() + 1 + (text.len() - text.trim_start().len());
    let text = text.trim();
    let mut node = flag_value(source, text, value_start)?;
    let mut end = path.len();
    for segment in path.rsplit('.') {
        let span = end - segment.len()..end;
        end = span.start.saturating_sub(1);
        let key = segment.trim();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if key.is_empty() || !key.chars().all(plain) {
            let message = format!("`{}` is no key; write e.g. load.clients=16", path.trim());
            return Err(Fault::new(&message).at(&whole));
        }
        let entry = Entry { key: key.to_owned(), key_origin: Origin { source, span }, node };
        node = Node { value: Value::Table(vec![entry]), origin: whole.clone() };
    }
    Ok(node)
}

fn flag_value(source: usize, text: &str, offset: usize) -> Result<Node, Fault> {
    let span = offset..offset + text.len();
    let as_text =
        || Node { value: Value::Text(text.to_owned()), origin: Origin { source, span: span.clone() } };
    match DeValue::parse(text) {
        Ok(value) if !matches!(value.get_ref(), DeValue::Datetime(_)) => {
            Place { source, offset }.node(&value)
        }
        Err(e) if text.starts_with(['"', '\'', '[', '{']) => Err(syntax(source, offset, text, &e)),
        _ => Ok(as_text()),
    }
}

fn syntax(source: usize, offset: usize, text: &str, error: &toml::de::Error) -> Fault {
    let span = error.span().unwrap_or(0..text.len());
    let span = span.start + offset..span.end + offset;
    Fault::new(error.message()).at(&Origin { source, span })
}

/// Turns the parser's values into nodes of a source; `offset` is where the parsed text starts in it.
struct Place {
    source: usize,
    offset: usize,
}

impl Place {
    fn origin(&self, span: &Range<usize>) -> Origin {
        Origin { source: self.source, span: span.start + self.offset..span.end + self.offset }
    }

    fn node(&self, value: &Spanned<DeValue<'_>>) -> Result<Node, Fault> {
        let origin = self.origin(&value.span());
        let fault = |message: &str| Fault::new(message).at(&origin);
        let value = match value.get_ref() {
            DeValue::String(text) => Value::Text(text.clone().into_owned()),
            DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix())
                .map(Value::Integer)
                .map_err(|_| fault("this number is too big for a profile"))?,
            DeValue::Float(x) => Value::Float(x.as_str().parse().map_err(|_| fault("this is no number"))?),
            DeValue::Boolean(yes) => Value::Boolean(*yes),
            DeValue::Datetime(_) => return Err(fault("a date has no meaning in a profile")),
            DeValue::Array(items) => {
                Value::Array(items.iter().map(|item| self.node(item)).collect::<Result<_, _>>()?)
            }
            DeValue::Table(table) => self.table(table)?,
        };
        Ok(Node { value, origin })
    }

    fn table(&self, table: &DeTable<'_>) -> Result<Value, Fault> {
        let mut entries = Vec::with_capacity(table.len());
        for (key, value) in table {
            entries.push(Entry {
                key: key.get_ref().clone().into_owned(),
                key_origin: self.origin(&key.span()),
                node: self.node(value)?,
            });
        }
        entries.sort_by_key(|entry| entry.key_origin.span.start);
        Ok(Value::Table(entries))
    }
}

impl Node {
    /// The value under a key, if this is a table that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Table(entries) => entries.iter().find(|e| e.key == key).map(|e| &e.node),
            Value::Array(items) => key.parse::<usize>().ok().and_then(|i| items.get(i)),
            _ => None,
        }
    }

    /// The text under a dotted path.
    pub fn text(&self, path: &str) -> Option<&str> {
        match &path.split('.').try_fold(self, |node, key| node.get(key))?.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Where the value under a dotted path was written; the nearest table above it if it was not written
    /// itself; `None` if not even that.
    pub fn origin_of(&self, path: &str) -> Option<&Origin> {
        let mut node = self;
        let mut found = None;
        for key in path.split('.') {
            let Some(next) = node.get(key) else { break };
            node = next;
            found = Some(&node.origin);
        }
        found
    }

    /// Whether a value was written under a dotted path.
    pub fn holds(&self, path: &str) -> bool {
        path.split('.').try_fold(self, |node, key| node.get(key)).is_some()
    }

    /// Lays another layer over this one.
    pub fn overlay(&mut self, top: Node) {
        overlay(self, top, "");
    }

    /// Joins keys of the same layer: as [`Node::overlay`], but nothing is dropped to make room, so that keys
    /// which exclude each other are found to do so.
    pub fn join(&mut self, more: Node) {
        match (&mut self.value, more.value) {
            (Value::Table(old), Value::Table(new)) => {
                for entry in new {
                    match old.iter_mut().find(|o| o.key == entry.key) {
                        Some(found) => found.node.join(entry.node),
                        None => old.push(entry),
                    }
                }
            }
            (old, new) => {
                *old = new;
                self.origin = more.origin;
            }
        }
    }
}

/// Tables of which exactly one key may be set: another choice in a later layer takes the place of the first.
const CHOICES: [&str; 2] = ["workload.prompt_tokens", "workload.output_tokens"];
/// The keys of `[model]` that say where weights come from.
const WEIGHTS: [&str; 3] = ["hub", "path", "dummy"];

/// `path` is the dotted path of both nodes, empty at the root.
fn overlay(base: &mut Node, top: Node, path: &str) {
    let (Value::Table(old), Value::Table(new)) = (&mut base.value, &top.value) else {
        *base = top;
        return;
    };
    let replaced = match path {
        // An empty [sweep] is the way to run a profile without the sweep of a lower layer.
        "sweep" => new.is_empty(),
        // A distribution given whole leaves nothing of another one, not even its bounds.
        _ if CHOICES.iter().any(|choice| path.starts_with(choice)) && has(new, "mean") && has(new, "std") => {
            true
        }
        _ => CHOICES.contains(&path) && !new.iter().all(|n| has(old, &n.key)),
    };
    if replaced {
        *base = top;
        return;
    }
    match path {
        "model" => forget_other_weights(old, new),
        "load" => forget_other_load(old, new),
        "sweep" => forget_other_sweep(old, new),
        _ => {}
    }
    let Value::Table(new) = top.value else { return };
    base.origin = top.origin;
    for entry in new {
        match old.iter_mut().find(|o| o.key == entry.key) {
            Some(found) => {
                let path = if path.is_empty() { entry.key } else { format!("{path}.{}", entry.key) };
                found.key_origin = entry.key_origin;
                overlay(&mut found.node, entry.node, &path);
            }
            None => old.push(entry),
        }
    }
}

fn has(entries: &[Entry], key: &str) -> bool {
    entries.iter().any(|e| e.key == key)
}

/// A later layer that says how requests arrive drops the keys of earlier ones that its kind of load does not have.
fn forget_other_load(old: &mut Vec<Entry>, new: &[Entry]) {
    let kind = new.iter().find(|e| e.key == "kind").map(|e| &e.node.value);
    let Some(Value::Text(kind)) = kind else { return };
    let open = ["rate", "max_in_flight"];
    let (shape, ramp) = (["burstiness"], ["ramp_from", "ramp_time"]);
    let foreign: Vec<&str> = match kind.as_str() {
        "closed" => open.into_iter().chain(shape).chain(ramp).collect(),
        "gamma" => ramp.into(),
        "ramp" => shape.into(),
        _ => shape.into_iter().chain(ramp).collect(),
    };
    old.retain(|e| !foreign.contains(&e.key.as_str()));
}

/// A later layer's sweep over rates replaces an earlier one's over clients, and the other way round: no load has both.
fn forget_other_sweep(old: &mut Vec<Entry>, new: &[Entry]) {
    for (given, other) in [("rate", "clients"), ("clients", "rate")] {
        if has(new, given) && !has(new, other) {
            old.retain(|e| e.key != other);
        }
    }
}

/// A later layer that names other weights replaces the ones named before, with what described them.
fn forget_other_weights(old: &mut Vec<Entry>, new: &[Entry]) {
    let source =
        |entries: &[Entry]| entries.iter().find(|e| WEIGHTS.contains(&e.key.as_str())).map(|e| e.key.clone());
    let (Some(before), Some(now)) = (source(old), source(new)) else { return };
    old.retain(|e| !WEIGHTS.contains(&e.key.as_str()));
    if before != now {
        old.retain(|e| e.key != "quantization" && e.key != "seed");
    }
}
