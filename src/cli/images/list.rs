//! `images`.

use crate::cli::args::{Parsed, boolean};
use crate::cli::pattern::{self, Pattern};
use crate::cli::shape::put_text;
use crate::cli::{OK, human, note, open_store, print, read, table};
use miniserde::json::{Object, Value};
use mydocker::error::{Error, Result};
use mydocker::kernel::{order, time};
use mydocker::store::images::{self, Image};
use mydocker::store::reference::{self, Reference};
use mydocker::store::{Store, layers};
use std::collections::BTreeMap;

const HEADERS: [(&str, &str); 6] = [
    ("Repository", "REPOSITORY"),
    ("ID", "IMAGE ID"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("SharedSize", "SHARED SIZE"),
    ("UniqueSize", "UNIQUE SIZE"),
];

/// `--filter`: of `reference` any one must fit, everything else all.
enum Filter {
    Dangling(bool),
    Reference(Pattern),
    Label(String),
    /// Made before (or after) this moment.
    Before(i64),
    Since(i64),
}

impl Filter {
    fn parse(store: &Store, typed: &str) -> Result<Self> {
        let shown = typed.escape_debug();
        let (key, value) = typed
            .split_once('=')
            .ok_or_else(|| Error::new(format!("bad format of filter '{shown}' (expected name=value)")))?;
        let bad = |why: &str| Error::new(format!("Invalid filter '{shown}': {why}"));
        let other = || -> Result<i64> {
            let found = images::find(store, value)?.ok_or_else(|| images::missing(value))?;
            Ok(created(&images::get(store, found.id())?).unwrap_or(0))
        };
        Ok(match key {
            "dangling" => Self::Dangling(boolean(value).ok_or_else(|| bad("true or false"))?),
            "reference" => Self::Reference(pattern::glob(value).map_err(|error| bad(&error.what))?),
            "label" => Self::Label(value.to_owned()),
            "before" => Self::Before(other()?),
            "until" => Self::Before(read::moment::moment(value, time::now())?),
            "since" => Self::Since(other()?),
            _ => {
                let known = "before, dangling, label, reference, since, until";
                return Err(Error::new(format!("Invalid filter '{}': known are {known}", key.escape_debug())));
            }
        })
    }

    fn fits(&self, name: Option<&Reference>, image: &Image) -> bool {
        let created = created(image).unwrap_or(0);
        match self {
            Self::Dangling(wanted) => name.is_none() == *wanted,
            Self::Reference(pattern) => name.is_some_and(|name| pattern.fits(&name.name) || pattern.fits(&name.text())),
            Self::Label(wanted) => {
                let labels = image.config.as_ref().and_then(|config| config.labels.as_ref());
                labels.is_some_and(|labels| read::has_label(labels, wanted))
            }
            Self::Before(at) => created < *at,
            Self::Since(at) => created > *at,
        }
    }
}

/// When an image was made, in nanoseconds since 1970; not every document says so.
fn created(image: &Image) -> Option<i64> {
    image.created.as_deref().and_then(read::moment::rfc3339)
}

fn fits(filters: &[Filter], name: Option<&Reference>, image: &Image) -> bool {
    let is_name = |filter: &&Filter| matches!(filter, Filter::Reference(_));
    let mut names = filters.iter().filter(is_name).peekable();
    (names.peek().is_none() || names.any(|filter| filter.fits(name, image)))
        && filters.iter().filter(|filter| !is_name(filter)).all(|filter| filter.fits(name, image))
}

/// `images [REFERENCE]`
pub fn images(parsed: &Parsed) -> Result<u8> {
    let store = open_store()?;
    let mut filters = Vec::new();
    for typed in parsed.all("filter") {
        filters.push(Filter::parse(&store, typed)?);
    }
    if let Some(word) = parsed.words.first() {
        if !word.contains(['*', '?', '[']) {
            reference::parse(word)?;
        }
        filters.push(Filter::Reference(pattern::glob(word)?));
    }
    let refs = images::references(&store)?;
    let mut code = OK;
    let mut found: Vec<(String, Image, Vec<String>)> = Vec::new();
    let mut parents: Vec<String> = Vec::new();
    let mut uses: BTreeMap<String, u32> = BTreeMap::new();
    for id in images::ids(&store)? {
        match images::get(&store, &id).and_then(|image| image.layers().map(|layers| (image, layers))) {
            Ok((image, layers)) => {
                parents.extend(images::parent(&store, &image));
                for layer in &layers {
                    *uses.entry(layer.clone()).or_default() += 1;
                }
                found.push((id, image, layers));
            }
            Err(error) => {
                note(&error.to_string());
                code = 1;
            }
        }
    }
    let mut rows: Vec<(i64, Value)> = Vec::new();
    for (id, image, layers) in found {
        let (mut own, mut shared) = (0, 0);
        for layer in &layers {
            let sum = if uses.get(layer) == Some(&1) { &mut own } else { &mut shared };
            match layers::size(&store, layer) {
                Ok(size) => *sum += size,
                Err(error) => {
                    note(&error.to_string());
                    code = 1;
                }
            }
        }
        let named = refs.iter().filter(|(_, to)| *to == id).map(|(reference, _)| Some(reference));
        let mut names: Vec<Option<&Reference>> = named.collect();
        if names.is_empty() && (parsed.on("all") || !parents.contains(&id)) {
            names.push(None);
        }
        for name in names.into_iter().filter(|name| fits(&filters, *name, &image)) {
            rows.push((created(&image).unwrap_or(0), row(parsed, &id, name, &image, [own, shared])));
        }
    }
    let rows: Vec<Value> = order::sorted(rows, &|a, b| a.0 > b.0).into_iter().map(|(_, row)| row).collect();
    if parsed.on("quiet") {
        let id = |row: &Value| match row {
            Value::Object(fields) => match fields.get("ID") {
                Some(Value::String(id)) => format!("{id}\n"),
                _ => String::new(),
            },
            _ => String::new(),
        };
        let mut ids: Vec<String> = rows.iter().map(id).collect();
        ids.dedup(); // several names of one image stand together
        print(&ids.concat())?;
        return Ok(code);
    }
    let digest = if parsed.on("digests") { "{{.Digest}}\\t" } else { "" };
    let default = format!(
        "table {{{{.Repository}}}}\\t{{{{.Tag}}}}\\t{digest}{{{{.ID}}}}\\t{{{{.CreatedSince}}}}\\t{{{{.Size}}}}"
    );
    print(&table::print(parsed.last("format"), &default, &HEADERS, &rows)?)?;
    Ok(code)
}

fn row(parsed: &Parsed, id: &str, name: Option<&Reference>, image: &Image, [own, shared]: [u64; 2]) -> Value {
    let created = created(image);
    let since = created.map_or_else(|| "N/A".to_owned(), |at| human::ago(human::elapsed(at)));
    let shown = if parsed.on("no-trunc") { format!("sha256:{id}") } else { id[..12].to_owned() };
    let mut o = Object::new();
    put_text(&mut o, "Digest", "<none>");
    put_text(&mut o, "Repository", name.map_or("<none>", |name| &name.name));
    put_text(&mut o, "Tag", name.map_or("<none>", |name| &name.tag));
    put_text(&mut o, "ID", &shown);
    let at = created.map_or_else(|| "N/A".to_owned(), |at| format!("{} +0000 UTC", time::plain(at)));
    put_text(&mut o, "CreatedAt", &at);
    put_text(&mut o, "CreatedSince", &since);
    put_text(&mut o, "Containers", "N/A");
    for (key, size) in
        [("Size", own + shared), ("VirtualSize", own + shared), ("SharedSize", shared), ("UniqueSize", own)]
    {
        put_text(&mut o, key, &human::size(size));
    }
    Value::Object(o)
}
