//! Tables as docker's tabwriter aligns them, and the driver of `--format`.

use super::object;
use super::template::{Template, unescape};
use miniserde::json::{self, Value};
use mydocker::error::Result;

/// Narrowest column, its padding included, of all tables but `top`'s.
pub const CELL_CHARS_MIN: usize = 10;
/// Spaces between the widest cell and the next column.
const PADDING: usize = 3;

/// A heading and rows of cells.
pub struct Table<'a> {
    /// The words over the columns; empty for a table without a heading.
    pub header: Vec<&'a str>,
    /// The cells.
    pub rows: Vec<Vec<String>>,
}

impl Table<'_> {
    /// The aligned lines. The last cell of a row is not padded, every other one is at least so wide.
    pub fn text(&self, cell_chars_min: usize) -> String {
        let header = (!self.header.is_empty()).then_some(&self.header);
        let lines =
            || header.cloned().into_iter().chain(self.rows.iter().map(|row| row.iter().map(String::as_str).collect()));
        let mut widths: Vec<usize> = Vec::new();
        for line in lines() {
            for (at, cell) in line.iter().enumerate().take(line.len().saturating_sub(1)) {
                let width = (cell.chars().count() + PADDING).max(cell_chars_min);
                match widths.get_mut(at) {
                    Some(known) => *known = width.max(*known),
                    None => widths.push(width),
                }
            }
        }
        let mut text = String::new();
        for line in lines() {
            for (at, cell) in line.iter().enumerate() {
                text.push_str(cell);
                if at + 1 < line.len() {
                    text.extend(core::iter::repeat_n(' ', widths[at].saturating_sub(cell.chars().count())));
                }
            }
            text.push('\n');
        }
        text
    }
}

/// Only `inspect` has an exit code of its own for templates that are none.
fn parse(format: &str) -> Result<Template> {
    Template::parse(&unescape(format.trim_matches(' '))).map_err(|error| error.exit(1))
}

/// What `--format` prints for some rows: the default format, a table of one's own, JSON lines, or one line for each row.
/// `headers` names the word over each field in a table.
pub fn print(format: Option<&str>, default_format: &str, headers: &[(&str, &str)], rows: &[Value]) -> Result<String> {
    let format = match format.unwrap_or_default() {
        "" | "table" => default_format,
        format => format,
    };
    if format == "json" {
        return Ok(rows.iter().map(|row| json::to_string(row) + "\n").collect());
    }
    let Some(columns) = format.strip_prefix("table") else {
        let template = parse(format)?;
        return rows.iter().map(|row| Ok(template.render(row)? + "\n")).collect();
    };
    let template = parse(columns)?;
    let words = object(headers.iter().map(|(field, word)| (*field, Value::String((*word).to_owned()))).collect());
    let mut text = vec![template.render_header(&words)?];
    for row in rows {
        text.push(template.render(row)?);
    }
    let cells = |line: &str| line.split('\t').map(str::to_owned).collect();
    let rows = text.iter().flat_map(|text| text.split('\n')).map(cells).collect();
    Ok(Table { header: Vec::new(), rows }.text(CELL_CHARS_MIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PS: &str =
        "table {{.ID}}\\t{{.Image}}\\t{{.Command}}\\t{{.RunningFor}}\\t{{.Status}}\\t{{.Ports}}\\t{{.Names}}";
    const HEADERS: &[(&str, &str)] = &[
        ("ID", "CONTAINER ID"),
        ("Image", "IMAGE"),
        ("Command", "COMMAND"),
        ("RunningFor", "CREATED"),
        ("Status", "STATUS"),
        ("Ports", "PORTS"),
        ("Names", "NAMES"),
    ];

    fn rows() -> Vec<Value> {
        let text = r#"[{"ID":"2bd2678191cd","Image":"bb:1","Command":"\"nosuchcmd\"","RunningFor":"Less than a second ago",
            "Status":"Created","Ports":"","Names":"aa"},{"ID":"087728c7990f","Image":"bb:1","Command":"\"sleep 1000\"",
            "RunningFor":"1 second ago","Status":"Up Less than a second","Ports":"","Names":"c1"}]"#;
        let Ok(Value::Array(rows)) = json::from_str(text) else { panic!() };
        rows.into_iter().collect()
    }

    fn shown(format: Option<&str>, rows: &[Value]) -> String {
        print(format, PS, HEADERS, rows).unwrap_or_else(|error| error.to_string())
    }

    #[test]
    fn golden() {
        let want = "\
CONTAINER ID   IMAGE     COMMAND        CREATED                  STATUS                  PORTS     NAMES
2bd2678191cd   bb:1      \"nosuchcmd\"    Less than a second ago   Created                           aa
087728c7990f   bb:1      \"sleep 1000\"   1 second ago             Up Less than a second             c1
";
        assert_eq!(shown(None, &rows()), want);
        assert_eq!(shown(Some("table"), &rows()), want);
        let empty = "CONTAINER ID   IMAGE     COMMAND   CREATED   STATUS    PORTS     NAMES\n";
        assert_eq!(shown(None, &[]), empty);
        let own = "NAMES     STATUS\naa        Created\nc1        Up Less than a second\n";
        assert_eq!(shown(Some("table {{.Names}}\t{{.Status}}"), &rows()), own);
        assert_eq!(shown(Some("table {{json .Names}}\\t{{.Status | upper}}"), &[]), "NAMES     STATUS\n");
    }

    #[test]
    fn lines() {
        assert_eq!(shown(Some("{{.Names}}\\t{{.ID}}"), &rows()), "aa\t2bd2678191cd\nc1\t087728c7990f\n");
        assert!(
            shown(Some("json"), &rows()).starts_with("{\"Command\":\"\\\"nosuchcmd\\\"\",\"ID\":\"2bd2678191cd\",")
        );
        assert!(shown(Some("{{.Bogus}}"), &rows()).ends_with("map has no entry for key \"Bogus\""));
        assert_eq!(shown(Some("{{.Bogus}}"), &[]), "");
    }
}
