//! `images`.

use crate::cli::args::{Parsed, boolean};
use crate::cli::pattern::{self, Pattern};
use crate::cli::shape::put_text;
use crate::cli::{OK, human, note, open_store, print, read, table};
use miniserde::json::{Object, Value};
use mydocker::error::{Error, Result};
use mydocker::kernel::order;
use mydocker::store::images::{self, Image};
use mydocker::store::reference::{self, Reference};
use mydocker::store::{Store, bundle};

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
    Before(String),
    Since(String),
}

impl Filter {
    fn parse(store: &Store, typed: &str) -> Result<Self> {
        let shown = typed.escape_debug();
        let (key, value) = typed
            .split_once('=')
            .ok_or_else(|| Error::new(format!("bad format of filter '{shown}' (expected name=value)")))?;
        let bad = |why: &str| Error::new(format!("Invalid filter '{shown}': {why}"));
        let created = || -> Result<String> {
            let found = images::find(store, value)?.ok_or_else(|| images::missing(value))?;
            Ok(images::get(store, found.id())?.created.unwrap_or_default())
        };
        Ok(match key {
            "dangling" => Self::Dangling(boolean(value).ok_or_else(|| bad("true or false"))?),
            "reference" => Self::Reference(pattern::glob(value).map_err(|error| bad(&error.what))?),
            "label" => Self::Label(value.to_owned()),
            "before" => Self::Before(created()?),
            "since" => Self::Since(created()?),
            _ => {
                let known = "before, dangling, label, reference, since";
                return Err(Error::new(format!("Invalid filter '{}': known are {known}", key.escape_debug())));
            }
        })
    }

    fn fits(&self, name: Option<&Reference>, image: &Image) -> bool {
        let created = image.created.as_deref().unwrap_or_default();
        match self {
            Self::Dangling(wanted) => name.is_none() == *wanted,
            Self::Reference(pattern) => name.is_some_and(|name| pattern.fits(&name.name) || pattern.fits(&name.text())),
            Self::Label(wanted) => {
                let labels = image.config.as_ref().and_then(|config| config.labels.as_ref());
                labels.is_some_and(|labels| read::has_label(labels, wanted))
            }
            // All are RFC 3339 in UTC with nine digits: in order as texts.
            Self::Before(at) => created < at.as_str(),
            Self::Since(at) => created > at.as_str(),
        }
    }
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
    let mut rows: Vec<(String, Value)> = Vec::new();
    for id in images::ids(&store)? {
        let read = images::get(&store, &id).and_then(|image| images::size(&store, &image).map(|size| (image, size)));
        let (image, size) = match read {
            Ok(read) => read,
            Err(error) => {
                note(&error.to_string());
                code = 1;
                continue;
            }
        };
        let named = refs.iter().filter(|(_, to)| *to == id).map(|(reference, _)| Some(reference));
        let mut names: Vec<Option<&Reference>> = named.collect();
        if names.is_empty() {
            names.push(None);
        }
        for name in names.into_iter().filter(|name| fits(&filters, *name, &image)) {
            rows.push((image.created.clone().unwrap_or_default(), row(parsed, &id, name, &image, size)));
        }
    }
    match bundle::own() {
        Ok(own) => {
            for packed in own.iter().flat_map(|own| bundle::list(&own.index, "images")) {
                let image: Image = miniserde::json::from_str(bundle::text(packed, "config")).unwrap_or_default();
                let name = bundle::name(packed);
                if bundle::is_unstored(&store, packed) && fits(&filters, name.as_ref(), &image) {
                    let size = bundle::list(packed, "layers").iter().map(|layer| bundle::number(layer, "size")).sum();
                    let row = row(parsed, bundle::text(packed, "id"), name.as_ref(), &image, size);
                    rows.push((image.created.unwrap_or_default(), row));
                }
            }
        }
        Err(error) => {
            note(&error.to_string());
            code = 1;
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

fn row(parsed: &Parsed, id: &str, name: Option<&Reference>, image: &Image, size: u64) -> Value {
    let created = image.created.as_deref().and_then(read::moment::rfc3339);
    let since = created.map_or_else(|| "N/A".to_owned(), |at| human::ago(human::elapsed(at)));
    let shown = if parsed.on("no-trunc") { format!("sha256:{id}") } else { id[..12].to_owned() };
    let mut o = Object::new();
    put_text(&mut o, "Digest", "<none>");
    put_text(&mut o, "Repository", name.map_or("<none>", |name| &name.name));
    put_text(&mut o, "Tag", name.map_or("<none>", |name| &name.tag));
    put_text(&mut o, "ID", &shown);
    put_text(&mut o, "CreatedAt", image.created.as_deref().unwrap_or(""));
    put_text(&mut o, "CreatedSince", &since);
    put_text(&mut o, "Size", &human::size(size));
    Value::Object(o)
}
