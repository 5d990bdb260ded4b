//! The chart of README: a row for each task, and in it how many times as long as ours the others take, on a logarithmic scale.

use crate::report::figure;
use std::fmt::Write as _;

const LEFT: f64 = 250.0;
const WIDTH: f64 = 470.0;
const ROW: usize = 19;
const TOP: usize = 44;
/// Decades of the scale, from a tenth to a thousand times ours.
const DECADES: std::ops::RangeInclusive<i32> = -1..=3;
/// Who has a colour; everybody else is a floor.
const COLOURS: [(&str, &str, &str); 4] = [
    ("floor", "#8a8a8a", "#a0a0a0"),
    ("crun", "#0a8f6a", "#35c79b"),
    ("podman", "#8a3fbf", "#c48af0"),
    ("docker", "#1565c0", "#6db3f8"),
];

/// A row: what is done, and who takes how long; the first of them is ours.
pub type Row = (String, Vec<(String, f64)>);

fn class(name: &str) -> &str {
    let found = COLOURS.iter().find(|(class, ..)| *class == name || name.starts_with(&format!("{class},")));
    found.map_or("floor", |(class, ..)| class)
}

fn across(ratio: f64) -> f64 {
    let (from, to) = (f64::from(*DECADES.start()), f64::from(*DECADES.end()));
    LEFT + WIDTH * (ratio.log10().clamp(from, to) - from) / (to - from)
}

/// The whole file. `rows` have milliseconds, but for the one of memory.
pub fn draw(rows: &[Row]) -> String {
    let bottom = TOP + rows.len() * ROW;
    let (width, height) = (LEFT + WIDTH + 20.0, bottom + 8);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>How many times as long as mydocker the others take</title>\n<style>\n\
         text {{ fill: #222 }} .line {{ stroke: #ddd }} .ours {{ stroke: #d9480f; stroke-width: 2 }} .own {{ fill: #d9480f }}\n"
    );
    for (class, light, _) in COLOURS {
        let _ = writeln!(text, ".{class} {{ fill: {light} }}");
    }
    text.push_str("@media (prefers-color-scheme: dark) {\ntext { fill: #ddd } .line { stroke: #444 } .ours { stroke: #ff8a4c } .own { fill: #ff8a4c }\n");
    for (class, _, dark) in COLOURS {
        let _ = writeln!(text, ".{class} {{ fill: {dark} }}");
    }
    text.push_str("}\n</style>\n");
    let mut x = LEFT;
    for (class, label) in
        [("own", "mydocker"), ("floor", "floor"), ("crun", "crun"), ("podman", "podman"), ("docker", "docker")]
    {
        let _ = writeln!(
            text,
            "<circle class=\"{class}\" cx=\"{x}\" cy=\"12\" r=\"5\"/><text x=\"{}\" y=\"16\">{label}</text>",
            x + 9.0
        );
        x += 90.0;
    }
    for decade in DECADES {
        let x = across(10f64.powi(decade));
        let class = if decade == 0 { "ours" } else { "line" };
        let _ = writeln!(
            text,
            "<path class=\"{class}\" d=\"M{x:.0} {} V{bottom}\"/><text x=\"{x:.0}\" y=\"{}\" text-anchor=\"middle\">× {}</text>",
            TOP - 6,
            TOP - 10,
            10f64.powi(decade)
        );
    }
    for (at, (task, bars)) in rows.iter().filter(|(_, bars)| !bars.is_empty()).enumerate() {
        let y = TOP + at * ROW + ROW / 2;
        let ours = bars[0].1;
        let unit = if task.starts_with("memory") { "kB" } else { "ms" };
        let _ = writeln!(
            text,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}: {} {unit}</text>",
            LEFT - 8.0,
            y + 4,
            task.replace('`', "").replace('&', "&amp;").replace('<', "&lt;"),
            figure(ours)
        );
        for (name, value) in &bars[1..] {
            let _ = writeln!(
                text,
                "<circle class=\"{}\" cx=\"{:.1}\" cy=\"{y}\" r=\"4.5\"><title>{}: {} {unit}</title></circle>",
                class(name),
                across(value / ours),
                name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
                figure(*value)
            );
        }
    }
    text.push_str("</svg>\n");
    text
}
