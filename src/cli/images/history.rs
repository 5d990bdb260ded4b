//! `history`.

use super::shown_id;
use crate::cli::args::Parsed;
use crate::cli::shape::{picked, put_string, put_text};
use crate::cli::{OK, human, open_store, print_list, ps, read};
use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use mydocker::error::Result;
use mydocker::kernel::time;
use mydocker::spec::json::{Object, Value};
use mydocker::spec::text;
use mydocker::store::images::{self, History};
use mydocker::store::layers;

/// Characters of a command that are shown.
const COMMAND_CHARS: usize = 45;
/// docker's word for the image of a step, where there is none.
const MISSING: &str = "<missing>";

const HEADERS: &str = "ID IMAGE,CreatedSince CREATED,CreatedAt CREATED AT,CreatedBy CREATED BY";
const COLUMNS: &str = "table {{.ID}}\\t{{.CreatedSince}}\\t{{.CreatedBy}}\\t{{.Size}}\\t{{.Comment}}";

/// `history IMAGE`
pub fn history(parsed: &Parsed) -> Result<u8> {
    let store = open_store()?;
    let mut id = images::expect(&store, parsed.word(0))?;
    let image = images::get(&store, &id)?;
    let steps = image.history.as_deref().unwrap_or_default();
    let (ids_of_layers, mut layer, mut sizes) = (image.diff_ids()?, 0, Vec::new());
    for step in steps {
        let mut size = 0;
        if step.empty_layer != Some(true) {
            if let Some(id) = ids_of_layers.get(layer) {
                size = layers::size(&store, id)?;
            }
            layer += 1;
        }
        sizes.push(size);
    }
    let (mut ids, mut values) = (String::new(), Vec::new());
    let mut parent = images::parent(&store, &image);
    for step in steps.iter().rev() {
        let shown = if id.is_empty() { MISSING.to_owned() } else { shown_id(&id, parsed.on("no-trunc")) };
        ids.extend([&shown, "\n"]);
        let mut row = row(parsed, step, sizes.pop().unwrap_or(0));
        put_string(&mut row, "ID", shown);
        values.push(Value::Object(row));
        // A step further down is the image that this one was made from, if it is still here.
        id = parent.unwrap_or_default();
        parent = images::get(&store, &id).ok().and_then(|image| images::parent(&store, &image));
    }
    print_list(parsed, &ids, COLUMNS, HEADERS, &values)?;
    Ok(OK)
}

fn row(parsed: &Parsed, step: &History, size: u64) -> Object {
    let created = step.created.as_deref().and_then(read::moment::rfc3339);
    let is_human = parsed.last("human") != Some("false");
    let mut o = picked("CreatedAt - \"N/A\",CreatedSince - \"N/A\",", &Value::Null);
    if let Some(created) = created {
        let at = human::part(&time::rfc3339(created), 0, 19).to_owned() + "Z";
        put_text(&mut o, "CreatedAt", &at);
        put_string(&mut o, "CreatedSince", if is_human { human::ago(human::elapsed(created)) } else { at });
    }
    let by = human::visible(&text::replace(step.created_by.as_deref().unwrap_or(""), "\t", " "));
    put_string(&mut o, "CreatedBy", if parsed.on("no-trunc") { by } else { ps::cut(&by, COMMAND_CHARS) });
    put_string(&mut o, "Size", if is_human { human::size(size) } else { size.to_string() });
    put_string(&mut o, "Comment", human::visible(step.comment.as_deref().unwrap_or("")));
    o
}
