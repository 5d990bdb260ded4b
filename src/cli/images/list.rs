//! `images`.

use super::shown_id;
use crate::cli::args::Parsed;
use crate::cli::filter::{self, Filter};
use crate::cli::shape::{picked, put_string, put_text};
use crate::cli::{OK, complain, human, open_store, print_list, read};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use mydocker::error::{Error, Result};
use mydocker::kernel::time;
use mydocker::spec::json::{Object, Value};
use mydocker::spec::order;
use mydocker::store::images::{self, Image};
use mydocker::store::reference::{self, Reference};
use mydocker::store::{Store, bundle, layers};

/// The word over each column that is not called as its field.
pub const HEADERS: &str = "Repository REPOSITORY,ID IMAGE ID,CreatedSince CREATED,CreatedAt CREATED AT,SharedSize SHARED SIZE,\
    UniqueSize UNIQUE SIZE";

/// A filter, and the moment that it is about.
struct Asked(Filter, i64);

fn asked(store: &Store, typed: &str) -> Result<Asked> {
    let filter = filter::parse(typed, "before dangling label reference since until")?;
    let at = match filter.key {
        "until" => read::moment::moment(&filter.value, time::now())?,
        "before" | "since" => created(&*images::get(store, &images::expect(store, &filter.value)?)?),
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

/// An image of the store, and its layers.
pub struct Stored {
    pub id: String,
    pub image: Box<Image>,
    pub layers: Vec<String>,
}

/// All images of the store with the layers that `layers` finds in them. What is damaged is told of, and makes the exit code
/// 1.
pub fn stored(store: &Store, layers: fn(&Image) -> Result<Vec<String>>, code: &mut u8) -> Result<Vec<Stored>> {
    let mut all = Vec::new();
    for id in images::ids(store)? {
        match images::get(store, &id).and_then(|image| Ok((layers(&image)?, image))) {
            Ok((layers, image)) => all.push(Stored { id, image, layers }),
            Err(_) if !images::exists(store, &id) => {} // removed meanwhile
            Err(error) => complain(&error, code),
        }
    }
    Ok(all)
}

/// Bytes of the layers that only one image has, and of those that others have, too.
pub type Sizes = [u64; 2];

/// Of one of all images. `failed` hears of layers whose size nobody knows.
pub fn sizes_of(store: &Store, one: &Stored, all: &[Stored], failed: &mut dyn FnMut(&Error)) -> Sizes {
    let mut sizes = [0, 0];
    for layer in &one.layers {
        let mut users = 0;
        for other in all {
            users += usize::from(other.layers.contains(layer));
        }
        match layers::size(store, layer) {
            Ok(size) => sizes[usize::from(users > 1)] += size,
            Err(error) => failed(&error),
        }
    }
    sizes
}

/// The names of an image, or that it has none.
pub fn named<'a>(references: &'a [(Reference, String)], id: &str) -> Vec<Option<&'a Reference>> {
    let mut names = Vec::new();
    for (name, to) in references {
        if to == id {
            names.push(Some(name));
        }
    }
    if names.is_empty() {
        names.push(None);
    }
    names
}

/// `images [REFERENCE]`
pub fn images(parsed: &Parsed) -> Result<u8> {
    let store = open_store()?;
    let mut filters = Vec::new();
    for typed in &parsed.all("filter") {
        filters.push(asked(&store, typed)?);
    }
    if let Some(word) = parsed.words.first() {
        if !word.contains(['*', '?', '[']) {
            reference::parse(word)?;
        }
        filters.push(asked(&store, &format!("reference={word}"))?);
    }
    let references = images::references(&store)?;
    let mut code = OK;
    let found = stored(&store, Image::layers, &mut code)?;
    let mut parents = Vec::new();
    for one in &found {
        parents.extend(images::parent(&store, &one.image));
    }
    let full = parsed.on("no-trunc");
    let mut rows: Vec<(i64, Value)> = Vec::new();
    let mut add = |id: &str, name: Option<&Reference>, image: &Image, sizes: Sizes| {
        if fits(&filters, name, image) {
            let at = created(image);
            let row = row(full, id, name, image.created.is_some().then_some(at), sizes, human::size);
            rows.push((at, Value::Object(row)));
        }
    };
    for one in &found {
        let sizes = sizes_of(&store, one, &found, &mut |error| complain(error, &mut code));
        for name in named(&references, &one.id) {
            if name.is_some() || parsed.on("all") || !parents.contains(&one.id) {
                add(&one.id, name, &one.image, sizes);
            }
        }
    }
    if let Err(error) = add_bundled(&store, &mut add) {
        complain(&error, &mut code);
    }
    let mut values = Vec::new();
    for (_, row) in order::sorted(rows, &|a, b| a.0 > b.0) {
        values.push(row);
    }
    let (mut ids, mut last) = (String::new(), "");
    for row in &values {
        let id = bundle::text(row, "ID");
        if id != last {
            ids.extend([id, "\n"]); // several names of one image stand together
        }
        last = id;
    }
    let digest = if parsed.on("digests") { "{{.Digest}}\\t" } else { "" };
    let default = format!(
        "table {{{{.Repository}}}}\\t{{{{.Tag}}}}\\t{digest}{{{{.ID}}}}\\t{{{{.CreatedSince}}}}\\t{{{{.Size}}}}"
    );
    print_list(parsed, &ids, &default, HEADERS, &values)?;
    Ok(code)
}

/// Adds a row for an image: its id, a name of it, itself, its bytes.
type Add<'a> = dyn FnMut(&str, Option<&Reference>, &Image, Sizes) + 'a;

/// Adds the images of this program's own file that are not unpacked yet.
fn add_bundled(store: &Store, add: &mut Add<'_>) -> Result<()> {
    let Some(own) = bundle::own()? else { return Ok(()) };
    for packed in bundle::list(&own.index, "images") {
        if bundle::is_unstored(store, packed) {
            let image = images::parse(bundle::text(packed, "config")).unwrap_or_default();
            let mut size = 0;
            for layer in bundle::list(packed, "layers") {
                size += bundle::number(layer, "size");
            }
            add(bundle::text(packed, "id"), bundle::name(packed).as_ref(), &image, [size, 0]);
        }
    }
    Ok(())
}

const ROW: &str = "Digest - \"<none>\",Containers - \"N/A\",CreatedAt - \"N/A\",CreatedSince - \"N/A\",";

/// The fields of an image that was made at this moment. `part` is how a part of its size is written.
pub fn row(
    full: bool,
    id: &str,
    name: Option<&Reference>,
    created: Option<i64>,
    [own, shared]: Sizes,
    part: fn(u64) -> String,
) -> Object {
    let (repository, tag) = name.map_or(("<none>", "<none>"), |name| (&name.name, &name.tag));
    let mut o = picked(ROW, &Value::Null);
    if let Some(created) = created {
        put_string(&mut o, "CreatedAt", time::plain(created) + " +0000 UTC");
        put_string(&mut o, "CreatedSince", human::ago(human::elapsed(created)));
    }
    put_text(&mut o, "Repository", repository);
    put_text(&mut o, "Tag", tag);
    put_string(&mut o, "ID", shown_id(id, full));
    let size = human::size(own + shared);
    put_text(&mut o, "Size", &size);
    put_string(&mut o, "VirtualSize", size);
    put_string(&mut o, "SharedSize", part(shared));
    put_string(&mut o, "UniqueSize", part(own));
    o
}
