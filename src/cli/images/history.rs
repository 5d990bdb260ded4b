//! `history`.

use super::shown_id;
use crate::cli::args::Parsed;
use crate::cli::shape::put_text;
use crate::cli::{OK, human, open_store, print_list, ps, read};
use miniserde::json::{Object, Value};
use mydocker::error::Result;
use mydocker::kernel::time;
use mydocker::store::images::{self, History};
use mydocker::store::layers;

/// Characters of a command that are shown.
const COMMAND_CHARS: usize = 45;
/// docker's word for the image of a step, where there is none.
const MISSING: &str = "<missing>";

const HEADERS: [(&str, &str); 4] =
    [("ID", "IMAGE"), ("CreatedSince", "CREATED"), ("CreatedAt", "CREATED AT"), ("CreatedBy", "CREATED BY")];
const COLUMNS: &str = "table {{.ID}}\\t{{.CreatedSince}}\\t{{.CreatedBy}}\\t{{.Size}}\\t{{.Comment}}";

/// `history IMAGE`
pub fn history(parsed: &Parsed) -> Result<u8> {
    let store = open_store()?;
    let mut id = images::expect(&store, &parsed.words[0])?;
    let image = images::get(&store, &id)?;
    let mut layers = image.diff_ids()?.into_iter();
    let mut rows = Vec::new();
    for step in image.history.iter().flatten() {
        let layer = if step.empty_layer == Some(true) { None } else { layers.next() };
        let size = match layer {
            Some(layer) => layers::size(&store, &layer)?,
            None => 0,
        };
        rows.push(row(parsed, step, size));
    }
    let (mut ids, mut values) = (String::new(), Vec::new());
    let mut parent = images::parent(&store, &image);
    while let Some(mut row) = rows.pop() {
        let shown = if id.is_empty() { MISSING.to_owned() } else { shown_id(&id, parsed.on("no-trunc")) };
        ids.extend([&shown, "\n"]);
        put_text(&mut row, "ID", &shown);
        values.push(Value::Object(row));
        // A step further down is the image that this one was made from, if it is still here.
        id = parent.unwrap_or_default();
        parent = images::get(&store, &id).ok().and_then(|image| images::parent(&store, &image));
    }
    print_list(parsed, &ids, COLUMNS, &HEADERS, &values)?;
    Ok(OK)
}

fn row(parsed: &Parsed, step: &History, size: u64) -> Object {
    let created = step.created.as_deref().and_then(read::moment::rfc3339);
    let is_human = parsed.last("human") != Some("false");
    let at = created.map_or_else(|| "N/A".to_owned(), |at| format!("{}Z", &time::rfc3339(at)[..19]));
    let since = created.filter(|_| is_human).map(|at| human::ago(human::elapsed(at)));
    let by = human::visible(&step.created_by.as_deref().unwrap_or("").replace('\t', " "));
    let comment = human::visible(step.comment.as_deref().unwrap_or(""));
    let mut o = Object::new();
    put_text(&mut o, "CreatedAt", &at);
    put_text(&mut o, "CreatedSince", since.as_deref().unwrap_or(&at));
    put_text(&mut o, "CreatedBy", &if parsed.on("no-trunc") { by } else { ps::cut(&by, COMMAND_CHARS) });
    put_text(&mut o, "Size", &if is_human { human::size(size) } else { size.to_string() });
    put_text(&mut o, "Comment", &comment);
    o
}
