//! `images`.

use crate::cli::args::Parsed;
use crate::cli::filter::{self, Filter};
use crate::cli::shape::{picked, put_text};
use crate::cli::{OK, human, note, open_store, print, read, table};
use miniserde::json::Value;
use mydocker::error::{Error, Result};
use mydocker::kernel::{order, time};
use mydocker::store::images::{self, Image};
use mydocker::store::reference::{self, Reference};
use mydocker::store::{Store, bundle, layers};

const HEADERS: [(&str, &str); 6] = [
    ("Repository", "REPOSITORY"),
    ("ID", "IMAGE ID"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("SharedSize", "SHARED SIZE"),
    ("UniqueSize", "UNIQUE SIZE"),
];

/// A filter, and the moment that it is about.
struct Asked(Filter, i64);

fn asked(store: &Store, typed: &str) -> Result<Asked> {
    let filter = filter::parse(typed, "before dangling label reference since until")?;
    let at = match filter.key {
        "until" => read::moment::moment(&filter.value, time::now())?,
        "before" | "since" => created(&images::get(store, &images::expect(store, &filter.value)?)?),
        _ => 0,
    };
    Ok(Asked(filter, at))
}

impl Asked {
    fn fits(&self, name: Option<&Reference>, image: &Image) -> bool {
        let Self(filter, at) = self;
        match filter.key {
            "dangling" => name.is_none() == filter.wanted,
            "reference" => name.is_some_and(|name| filter.matches(&name.name) || filter.matches(&name.text())),
            "label" => {
                let labels = image.config.as_ref().and_then(|config| config.labels.as_ref());
                labels.is_some_and(|labels| read::has_label(labels, &filter.value))
            }
            "since" => created(image) > *at,
            _ => created(image) < *at,
        }
    }
}

/// When an image was made, in nanoseconds since 1970; 0 when its document does not say so.
fn created(image: &Image) -> i64 {
    image.created.as_deref().and_then(read::moment::rfc3339).unwrap_or(0)
}

/// Of references any one must fit, everything else all.
fn fits(filters: &[Asked], name: Option<&Reference>, image: &Image) -> bool {
    let is_name = |filter: &Asked| filter.0.key == "reference";
    let (mut is_asked, mut is_found) = (false, false);
    for filter in filters {
        let fits = filter.fits(name, image);
        if is_name(filter) {
            (is_asked, is_found) = (true, is_found || fits);
        } else if !fits {
            return false;
        }
    }
    is_found || !is_asked
}

/// `images [REFERENCE]`
pub fn images(parsed: &Parsed) -> Result<u8> {
    let store = open_store()?;
    let mut filters = Vec::new();
    for typed in parsed.all("filter") {
        filters.push(asked(&store, typed)?);
    }
    if let Some(word) = parsed.words.first() {
        if !word.contains(['*', '?', '[']) {
            reference::parse(word)?;
        }
        filters.push(asked(&store, &format!("reference={word}"))?);
    }
    let refs = images::references(&store)?;
    let mut code = OK;
    let mut complain = |error: &Error| {
        note(&error.to_string());
        code = 1;
    };
    let (mut found, mut parents, mut uses) = (Vec::new(), Vec::new(), Vec::new());
    for id in images::ids(&store)? {
        match images::get(&store, &id).and_then(|image| image.layers().map(|layers| (image, layers))) {
            Ok((image, layers)) => {
                parents.extend(images::parent(&store, &image));
                uses.extend(layers.iter().cloned());
                found.push((id, image, layers));
            }
            Err(error) => complain(&error),
        }
    }
    let mut rows: Vec<(i64, Value)> = Vec::new();
    for (id, image, layers) in &found {
        let mut sizes = [0, 0];
        for layer in layers {
            let is_shared = uses.iter().filter(|used| *used == layer).count() > 1;
            match layers::size(&store, layer) {
                Ok(size) => sizes[usize::from(is_shared)] += size,
                Err(error) => complain(&error),
            }
        }
        let mut is_named = false;
        for (name, _) in refs.iter().filter(|(_, to)| to == id) {
            is_named = true;
            if fits(&filters, Some(name), image) {
                rows.push((created(image), row(parsed, id, Some(name), image, sizes)));
            }
        }
        let is_shown = !is_named && (parsed.on("all") || !parents.contains(id));
        if is_shown && fits(&filters, None, image) {
            rows.push((created(image), row(parsed, id, None, image, sizes)));
        }
    }
    if let Err(error) = add_bundled(parsed, &store, &filters, &mut rows) {
        note(&error.to_string());
        code = 1;
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

/// Adds the images of this program's own file that are not unpacked yet.
fn add_bundled(parsed: &Parsed, store: &Store, filters: &[Asked], rows: &mut Vec<(i64, Value)>) -> Result<()> {
    let Some(own) = bundle::own()? else { return Ok(()) };
    for packed in bundle::list(&own.index, "images") {
        let image: Image = images::parse(bundle::text(packed, "config")).unwrap_or_default();
        let name = bundle::name(packed);
        if bundle::is_unstored(store, packed) && fits(filters, name.as_ref(), &image) {
            let size = bundle::list(packed, "layers").iter().map(|layer| bundle::number(layer, "size")).sum();
            let row = row(parsed, bundle::text(packed, "id"), name.as_ref(), &image, [size, 0]);
            rows.push((created(&image), row));
        }
    }
    Ok(())
}

fn row(parsed: &Parsed, id: &str, name: Option<&Reference>, image: &Image, [own, shared]: [u64; 2]) -> Value {
    let (mut at, mut since) = ("N/A".to_owned(), "N/A".to_owned());
    if image.created.is_some() {
        let created = created(image);
        at = format!("{} +0000 UTC", time::plain(created));
        since = human::ago(human::elapsed(created));
    }
    let shown = if parsed.on("no-trunc") { format!("sha256:{id}") } else { id[..12].to_owned() };
    let mut o = picked("Digest - \"<none>\",Containers - \"N/A\",", &Value::Null);
    put_text(&mut o, "Repository", name.map_or("<none>", |name| &name.name));
    put_text(&mut o, "Tag", name.map_or("<none>", |name| &name.tag));
    put_text(&mut o, "ID", &shown);
    put_text(&mut o, "CreatedAt", &at);
    put_text(&mut o, "CreatedSince", &since);
    for (key, size) in
        [("Size", own + shared), ("VirtualSize", own + shared), ("SharedSize", shared), ("UniqueSize", own)]
    {
        put_text(&mut o, key, &human::size(size));
    }
    Value::Object(o)
}
