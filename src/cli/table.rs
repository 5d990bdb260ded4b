//! Tables as docker's tabwriter aligns them, and the driver of `--format`.

use super::human::part;
use super::shape::put_text;
use super::template::{Template, unescape};
use alloc::string::String;
use alloc::vec::Vec;
use mydocker::error::Result;
use mydocker::spec::json::{self, Object, Value};

/// Narrowest column, its padding included, of all tables but `top`'s.
const CELL_CHARS_MIN: usize = 10;
/// Spaces between the widest cell and the next column.
const PADDING: usize = 3;

/// Blanks, to be written many at once.
const BLANKS: &str = "                                ";

/// Lines whose cells end with tabs, aligned. The last cell of a line is not padded, every other one is at least so wide.
pub fn aligned(lines: &str, cell_chars_min: usize) -> String {
    let mut widths: Vec<usize> = Vec::new();
    let mut text = String::with_capacity(2 * lines.len());
    // What is before a tab is a cell; once to measure, once to write.
    for is_measured in [false, true] {
        let (mut column, mut start, mut width) = (0, 0, 0);
        for (at, byte) in lines.bytes().enumerate() {
            if byte != b'\t' && byte != b'\n' {
                width += usize::from(byte & 0xc0 != 0x80); // a character has one first byte
                continue;
            }
            if is_measured {
                text.push_str(part(lines, start, at + usize::from(byte == b'\n')));
            }
            if byte == b'\t' && is_measured {
                let mut left = widths[column] - width;
                while left > 0 {
                    let some = part(BLANKS, 0, left.min(BLANKS.len()));
                    text.push_str(some);
                    left -= some.len();
                }
            } else if byte == b'\t' {
                let width = (width + PADDING).max(cell_chars_min);
                match widths.get_mut(column) {
                    Some(known) => *known = width.max(*known),
                    None => widths.push(width),
                }
            }
            (column, start, width) = (if byte == b'\t' { column + 1 } else { 0 }, at + 1, 0);
        }
        if is_measured && !lines.is_empty() && !lines.ends_with('\n') {
            text.extend([part(lines, start, lines.len()), "\n"]);
        }
    }
    text
}

/// What `--format` prints for some rows: the default format, a table of one's own, JSON lines, or one line for each row.
/// `headers` names the word over each field in a table that is not called as its field: `Field WORD` with commas between.
pub fn print(format: Option<&str>, default_format: &str, headers: &str, rows: &[Value]) -> Result<String> {
    let format = match format.unwrap_or_default() {
        "" | "table" => default_format,
        format => format,
    };
    let mut text = String::new();
    if format == "json" {
        for row in rows {
            text.push_str(&json::to_string(row));
            text.push('\n');
        }
        return Ok(text);
    }
    let columns = format.strip_prefix("table");
    let format = unescape(columns.unwrap_or(format).trim_matches(' '));
    // Only `inspect` has an exit code of its own for templates that are none.
    let template = Template::parse(&format).map_err(|error| error.exit(1))?;
    if columns.is_some() {
        let mut words = Object::new();
        for header in headers.split(',') {
            let (field, word) = header.split_once(' ').unwrap_or_default();
            put_text(&mut words, field, word);
        }
        text = template.render_header(&Value::Object(words))? + "\n";
    }
    for row in rows {
        text.push_str(&template.render(row)?);
        text.push('\n');
    }
    Ok(if columns.is_some() { aligned(&text, CELL_CHARS_MIN) } else { text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use mydocker::spec::json::tree;

    const PS: &str =
        "table {{.ID}}\\t{{.Image}}\\t{{.Command}}\\t{{.RunningFor}}\\t{{.Status}}\\t{{.Ports}}\\t{{.Names}}";
    const HEADERS: &str = "ID CONTAINER ID,RunningFor CREATED";

    fn rows() -> Vec<Value> {
        let text = r#"[{"ID":"2bd2678191cd","Image":"bb:1","Command":"\"nosuchcmd\"","RunningFor":"Less than a second ago",
            "Status":"Created","Ports":"","Names":"aa"},{"ID":"087728c7990f","Image":"bb:1","Command":"\"sleep 1000\"",
            "RunningFor":"1 second ago","Status":"Up Less than a second","Ports":"","Names":"c1"}]"#;
        let Some(Value::Array(rows)) = tree::value(text) else { panic!() };
        rows
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
