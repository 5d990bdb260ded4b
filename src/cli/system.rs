//! `system df`, `system prune`, `system check`.

use super::args::Parsed;
use super::images::{self, Stored};
use super::prune::{self, Filters, Pruned};
use super::ps::{self, Row};
use super::shape::{put_number, put_string, put_text};
use super::{OK, human, network, note, open_store, print, print_list, read, table, volume};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use mydocker::error::{EXIT_ENGINE, Error, Result};
use mydocker::kernel::file;
use mydocker::life::check;
use mydocker::spec::Status;
use mydocker::spec::json::{Object, Value};
use mydocker::store::images::{self as stored, Image};
use mydocker::store::{Store, layers, trash, volumes};
use rustix::fd::AsFd;

/// What there is of one kind: how many, how many in use, their bytes, and the bytes of those in use.
type Share = [u64; 4];

fn count(share: &mut Share, bytes: u64, is_used: bool) {
    share[0] += 1;
    share[2] += bytes;
    if is_used {
        share[1] += 1;
        share[3] += bytes;
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
    put_string(&mut o, "TotalCount", total.to_string());
    put_string(&mut o, "Active", active.to_string());
    put_string(&mut o, "Size", human::size_long(bytes));
    put_string(&mut o, "Reclaimable", reclaimable);
    Value::Object(o)
}

/// All that takes room.
#[derive(Default)]
struct Stock {
    images: Vec<Stored>,
    rows: Vec<Row>,
    /// Name, bytes, and how many containers have it.
    volumes: Vec<(String, u64, usize)>,
    code: u8,
}

impl Stock {
    fn look(&mut self, store: &Store) -> Result<()> {
        self.images = images::stored(store, Image::diff_ids, &mut self.code)?;
        self.rows = ps::all(store, &mut self.code)?;
        let dir = store.dir("volumes")?;
        for name in file::names(dir.as_fd())? {
            let Ok(data) = file::open_dir_at(dir.as_fd(), &format!("{name}/_data")) else { continue }; // removed meanwhile
            let mut links = 0;
            for row in &self.rows {
                links += usize::from(volumes::is_mounted(&row.spec, &name));
            }
            let bytes = file::tree_bytes(data.as_fd())?;
            self.volumes.push((name, bytes, links));
        }
        Ok(())
    }

    fn users(&self, image: &str) -> usize {
        self.rows.iter().filter(|row| row.spec.image_id == image).count()
    }

    /// The table's rows.
    fn shares(&self, store: &Store) -> Result<Vec<Value>> {
        let mut shares = [Share::default(); 4];
        for layer in &file::names(store.layers.as_fd())? {
            let bytes = layers::size(store, layer).unwrap_or(0); // `system check` finds what is wrong with it
            count(&mut shares[0], bytes, self.rows.iter().any(|row| row.spec.layers.contains(layer)));
        }
        // It is images that are counted, and their layers that take room.
        shares[0][..2].fill(0);
        for one in &self.images {
            count(&mut shares[0], 0, self.users(&one.id) > 0);
        }
        for row in &self.rows {
            count(&mut shares[1], own(store, row), matches!(row.state.status, Status::Running | Status::Restarting));
        }
        for (_, bytes, links) in &self.volumes {
            count(&mut shares[2], *bytes, *links > 0);
        }
        let mut rows = Vec::new();
        for (at, kind) in ["Images", "Containers", "Local Volumes", "Build Cache"].iter().enumerate() {
            rows.push(share_row(kind, shares[at]));
        }
        Ok(rows)
    }

    /// Every image, container and volume with its size.
    fn details(&self, store: &Store) -> Result<String> {
        let mut rows = Vec::new();
        let references = stored::references(store)?;
        for one in &self.images {
            let sizes = images::sizes_of(store, one, &self.images, &mut |_| {}); // as above
            let created = one.image.created.as_deref().and_then(read::moment::rfc3339);
            for name in images::named(&references, &one.id) {
                let mut o = images::row(false, &one.id, name, created, sizes, human::size_long);
                put_number(&mut o, "Containers", self.users(&one.id) as i64);
                rows.push(Value::Object(o));
            }
        }
        let format = "table {{.Repository}}\\t{{.Tag}}\\t{{.ID}}\\t{{.CreatedSince}}\\t{{.Size}}\\t{{.SharedSize}}\\t{{.UniqueSize}}\\t{{.Containers}}";
        let images = table::print(None, format, images::HEADERS, &rows)?;
        let mut rows = Vec::new();
        for row in &self.rows {
            if let Value::Object(mut o) = ps::value(row, true, false, None) {
                put_string(&mut o, "Size", human::size(own(store, row)));
                rows.push(Value::Object(o));
            }
        }
        let format = "table {{.ID}}\\t{{.Image}}\\t{{.Command}}\\t{{.LocalVolumes}}\\t{{.Size}}\\t{{.RunningFor}}\\t{{.Status}}\\t{{.Names}}";
        let containers = table::print(None, format, ps::HEADERS, &rows)?;
        let mut rows = Vec::new();
        for (name, bytes, links) in &self.volumes {
            let mut o = Object::new();
            put_text(&mut o, "Name", name);
            put_number(&mut o, "Links", *links as i64);
            put_string(&mut o, "Size", human::size_long(*bytes));
            rows.push(Value::Object(o));
        }
        let volumes = table::print(None, "table {{.Name}}\\t{{.Links}}\\t{{.Size}}", volume::HEADERS, &rows)?;
        Ok(format!(
            "Images space usage:\n\n{images}\nContainers space usage:\n\n{containers}\nLocal Volumes space usage:\n\n{volumes}\n\
             Build cache usage: 0B\n\nCACHE ID   CACHE TYPE   SIZE      CREATED   LAST USED   USAGE     SHARED\n"
        ))
    }
}

/// Bytes of what a container changed; none for one that was removed meanwhile, or is damaged.
fn own(store: &Store, row: &Row) -> u64 {
    ps::sizes(store, &row.spec).unwrap_or_default().0
}

/// `system df`
pub fn df(parsed: &Parsed) -> Result<u8> {
    let format = parsed.last("format");
    if parsed.on("verbose") && format.is_some() {
        return Err(Error::new("the verbose and the format options conflict"));
    }
    let store = open_store()?;
    let mut stock = Stock::default();
    stock.look(&store)?;
    if parsed.on("verbose") {
        print(&stock.details(&store)?)?;
    } else {
        let default = "table {{.Type}}\\t{{.TotalCount}}\\t{{.Active}}\\t{{.Size}}\\t{{.Reclaimable}}";
        print_list(parsed, "", default, "TotalCount TOTAL", &stock.shares(&store)?)?;
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
    let mut warning =
        "WARNING! This will remove:\n  - all stopped containers\n  - all ".to_owned() + network::UNUSED + "\n";
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
    more(network::unused(&store, &filters)?)?;
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
