//! `system df`, `system prune`, `system check`.

use super::args::Parsed;
use super::prune::{self, Filters, Pruned};
use super::ps::{self, Row};
use super::shape::{put_number, put_text};
use super::{OK, human, note, open_store, print, read, table, volume};
use miniserde::json::{Object, Value};
use mydocker::error::{EXIT_ENGINE, Error, Result};
use mydocker::kernel::file;
use mydocker::life::check;
use mydocker::spec::{MountKind, Status};
use mydocker::store::images::{self, Image};
use mydocker::store::{Store, containers, layers, trash};
use rustix::fd::AsFd;

/// What there is of one kind: how many, how many in use, their bytes, and the bytes of those in use.
type Share = [u64; 4];

fn count(share: &mut Share, bytes: u64, is_used: bool) {
    let used = u64::from(is_used);
    for (sum, more) in share.iter_mut().zip([1, used, bytes, bytes * used]) {
        *sum += more;
    }
}

fn share_row(kind: &str, [total, active, bytes, used]: Share) -> Value {
    let free = bytes.saturating_sub(used);
    let mut reclaimable = human::size_long(free);
    if let Some(percent) = free.saturating_mul(100).checked_div(bytes) {
        reclaimable.extend([" (", &percent.to_string(), "%)"]);
    }
    let mut o = Object::new();
    put_text(&mut o, "Type", kind);
    put_text(&mut o, "TotalCount", &total.to_string());
    put_text(&mut o, "Active", &active.to_string());
    put_text(&mut o, "Size", &human::size_long(bytes));
    put_text(&mut o, "Reclaimable", &reclaimable);
    Value::Object(o)
}

/// All that takes room.
struct Stock {
    images: Vec<(String, Image, Vec<String>)>,
    rows: Vec<Row>,
    /// Name, bytes, and how many containers have it.
    volumes: Vec<(String, u64, usize)>,
    code: u8,
}

impl Stock {
    fn look(store: &Store) -> Result<Self> {
        let mut stock = Self { images: Vec::new(), rows: Vec::new(), volumes: Vec::new(), code: OK };
        for id in images::ids(store)? {
            match images::get(store, &id).and_then(|image| image.diff_ids().map(|layers| (image, layers))) {
                Ok((image, layers)) => stock.images.push((id, image, layers)),
                Err(_) if !images::exists(store, &id) => {} // removed meanwhile
                Err(error) => stock.complain(&error),
            }
        }
        let (found, errors) = containers::all(store)?;
        for error in &errors {
            stock.complain(error);
        }
        for container in found {
            match ps::state(store, &container) {
                Ok(Some((state, is_paused))) => stock.rows.push(Row { container, state, is_paused }),
                Ok(None) => {}
                Err(error) => stock.complain(&error),
            }
        }
        let dir = store.dir("volumes")?;
        for name in file::names(dir.as_fd())? {
            let Ok(data) = file::open_dir_at(dir.as_fd(), &format!("{name}/_data")) else { continue }; // removed meanwhile
            let mounts = |row: &&Row| {
                row.container.spec.mounts.iter().any(|mount| is_volume(mount.kind) && mount.source == name)
            };
            let links = stock.rows.iter().filter(mounts).count();
            stock.volumes.push((name.clone(), file::tree_bytes(data.as_fd())?, links));
        }
        Ok(stock)
    }

    fn complain(&mut self, error: &Error) {
        note(&error.to_string());
        self.code = 1;
    }

    fn users(&self, image: &str) -> usize {
        self.rows.iter().filter(|row| row.container.spec.image_id == image).count()
    }

    /// The table's rows.
    fn shares(&self, store: &Store) -> Result<Vec<Value>> {
        let mut shares = [Share::default(); 4];
        for layer in file::names(store.layers.as_fd())? {
            let bytes = layers::size(store, &layer).unwrap_or(0); // `system check` finds what is wrong with it
            count(&mut shares[0], bytes, self.rows.iter().any(|row| row.container.spec.layers.contains(&layer)));
        }
        // It is images that are counted, and their layers that take room.
        let used = self.images.iter().filter(|(id, ..)| self.users(id) > 0).count();
        (shares[0][0], shares[0][1]) = (self.images.len() as u64, used as u64);
        for row in &self.rows {
            count(&mut shares[1], own(store, row), matches!(row.state.status, Status::Running | Status::Restarting));
        }
        for (_, bytes, links) in &self.volumes {
            count(&mut shares[2], *bytes, *links > 0);
        }
        let kinds = ["Images", "Containers", "Local Volumes", "Build Cache"];
        let mut rows = Vec::new();
        for (kind, share) in kinds.into_iter().zip(shares) {
            rows.push(share_row(kind, share));
        }
        Ok(rows)
    }

    /// Every image, container and volume with its size.
    fn details(&self, store: &Store) -> Result<String> {
        let mut rows = Vec::new();
        let names = images::references(store)?;
        for (id, image, layers) in &self.images {
            let (mut all, mut shared) = (0, 0);
            for layer in layers {
                let bytes = layers::size(store, layer).unwrap_or(0); // as above
                all += bytes;
                if self.images.iter().filter(|(.., others)| others.contains(layer)).count() > 1 {
                    shared += bytes;
                }
            }
            let created = image.created.as_deref().and_then(read::moment::rfc3339);
            let mut o = Object::new();
            put_text(&mut o, "ID", &id[..12]);
            put_text(&mut o, "Repository", "<none>");
            put_text(&mut o, "Tag", "<none>");
            put_text(
                &mut o,
                "CreatedSince",
                &created.map_or_else(|| "N/A".to_owned(), |at| human::ago(human::elapsed(at))),
            );
            put_text(&mut o, "Size", &human::size(all));
            put_text(&mut o, "SharedSize", &human::size_long(shared));
            put_text(&mut o, "UniqueSize", &human::size_long(all - shared));
            put_number(&mut o, "Containers", self.users(id) as i64);
            let before = rows.len();
            for (name, _) in names.iter().filter(|(_, to)| to == id) {
                put_text(&mut o, "Repository", &name.name);
                put_text(&mut o, "Tag", &name.tag);
                rows.push(Value::Object(o.clone()));
            }
            if rows.len() == before {
                rows.push(Value::Object(o));
            }
        }
        let headers = [
            ("ID", "IMAGE ID"),
            ("CreatedSince", "CREATED"),
            ("SharedSize", "SHARED SIZE"),
            ("UniqueSize", "UNIQUE SIZE"),
        ];
        let format = "table {{.Repository}}\\t{{.Tag}}\\t{{.ID}}\\t{{.CreatedSince}}\\t{{.Size}}\\t{{.SharedSize}}\\t{{.UniqueSize}}\\t{{.Containers}}";
        let images = table::print(None, format, &headers, &rows)?;
        let mut rows = Vec::new();
        for row in &self.rows {
            if let Value::Object(mut o) = ps::value(row, false, None) {
                put_text(&mut o, "Size", &human::size(own(store, row)));
                rows.push(Value::Object(o));
            }
        }
        let format = "table {{.ID}}\\t{{.Image}}\\t{{.Command}}\\t{{.LocalVolumes}}\\t{{.Size}}\\t{{.RunningFor}}\\t{{.Status}}\\t{{.Names}}";
        let containers = table::print(None, format, &ps::HEADERS, &rows)?;
        let mut rows = Vec::new();
        for (name, bytes, links) in &self.volumes {
            let mut o = Object::new();
            put_text(&mut o, "Name", name);
            put_number(&mut o, "Links", *links as i64);
            put_text(&mut o, "Size", &human::size_long(*bytes));
            rows.push(Value::Object(o));
        }
        let volumes =
            table::print(None, "table {{.Name}}\\t{{.Links}}\\t{{.Size}}", &[("Name", "VOLUME NAME")], &rows)?;
        Ok(format!(
            "Images space usage:\n\n{images}\nContainers space usage:\n\n{containers}\nLocal Volumes space usage:\n\n{volumes}\n\
             Build cache usage: 0B\n\nCACHE ID   CACHE TYPE   SIZE      CREATED   LAST USED   USAGE     SHARED\n"
        ))
    }
}

/// Bytes of what a container changed; none for one that was removed meanwhile, or is damaged.
fn own(store: &Store, row: &Row) -> u64 {
    ps::sizes(store, &row.container).unwrap_or_default().0
}

fn is_volume(kind: MountKind) -> bool {
    matches!(kind, MountKind::Volume | MountKind::Anonymous)
}

/// `system df`
pub fn df(parsed: &Parsed) -> Result<u8> {
    let format = parsed.last("format");
    if parsed.on("verbose") && format.is_some() {
        return Err(Error::new("the verbose and the format options conflict"));
    }
    let store = open_store()?;
    let stock = Stock::look(&store)?;
    if parsed.on("verbose") {
        print(&stock.details(&store)?)?;
    } else {
        let default = "table {{.Type}}\\t{{.TotalCount}}\\t{{.Active}}\\t{{.Size}}\\t{{.Reclaimable}}";
        print(&table::print(format, default, &[("TotalCount", "TOTAL")], &stock.shares(&store)?)?)?;
    }
    Ok(stock.code)
}

/// `system prune`: what is not used goes away, containers first, as they use the rest.
pub fn prune(parsed: &Parsed) -> Result<u8> {
    let filters = Filters::parse(parsed)?;
    let (all, with_volumes) = (parsed.on("all"), parsed.on("volumes"));
    if with_volumes && filters.until.is_some() {
        return Err(Error::new("the \"until\" filter is not supported with \"--volumes\"").exit(EXIT_ENGINE));
    }
    let mut warning = "WARNING! This will remove:\n  - all stopped containers\n".to_owned();
    if with_volumes {
        warning.push_str("  - all anonymous volumes not used by at least one container\n");
    }
    warning.extend(["  - ", prune::unused_images(all), "\n"]);
    if parsed.given("filter") {
        warning.push_str("\n  Items to be pruned will be filtered with:\n");
        parsed.all("filter").iter().for_each(|typed| warning.extend(["  - ", typed, "\n"]));
    }
    if !prune::is_agreed(parsed, &warning)? {
        return Ok(OK);
    }
    let store = open_store()?;
    let mut pruned = prune::stopped(&store, &filters)?;
    print(&pruned.list())?;
    let mut more = |next: Pruned| {
        pruned.bytes += next.bytes;
        pruned.code = pruned.code.max(next.code);
        print(&next.list())
    };
    if with_volumes {
        more(volume::unused(&store, &filters, false)?)?;
    }
    more(prune::unused(&store, &filters, all)?)?;
    trash::sweep(&store)?;
    pruned.deleted.clear();
    pruned.tell()
}

/// Exit codes of `system check`, as fsck(8) has them: something was put right, something is left, nothing could be found out.
const CHECK_CORRECTED: u8 = 1;
const CHECK_LEFT: u8 = 4;
const CHECK_FAILED: u8 = 8;

/// `system check`
pub fn check(parsed: &Parsed) -> Result<u8> {
    let deep = parsed.on("deep");
    let mut tell = |line: &str| drop(print(&(human::visible(line) + "\n"))); // the exit code says it, too
    let checked = open_store().and_then(|store| check::check(&store, parsed.on("repair"), deep, &mut tell));
    let summary = checked.map_err(|e| e.exit(CHECK_FAILED))?;
    let [proven, noted, unknown] = summary.proofs;
    if deep && noted + unknown > 0 {
        let how =
            if noted > 0 { "noted as they are now" } else { "--repair notes what they are now, for the next time" };
        note(&format!(
            "the content of {proven} layers is proven; {} came from archives of other programs: {how}",
            noted + unknown
        ));
    }
    if summary.found == 0 {
        let [images, layers, containers, volumes] = summary.counts;
        print(&format!("clean: {images} images, {layers} layers, {containers} containers, {volumes} volumes\n"))?;
    }
    Ok(match (summary.found, summary.left) {
        (0, _) => OK,
        (_, 0) => CHECK_CORRECTED,
        _ => CHECK_LEFT,
    })
}
