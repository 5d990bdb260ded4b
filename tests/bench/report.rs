//! The report: goals as ratios, tables, and what was left out. Markdown, as README.md shows it.

use crate::chart;
use crate::common::{Times, of, quantile};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

/// What the project wants a ratio to be.
#[derive(Clone, Copy)]
pub enum Goal {
    /// Ours takes at most so many times what the other takes.
    AtMost(f64),
    /// The other takes at least so many times what ours takes.
    Faster(f64),
}

/// Everything that was measured.
pub struct Report {
    dir: PathBuf,
    head: String,
    goals: String,
    tables: String,
    missing: Vec<String>,
    bars: Vec<chart::Row>,
    group: usize,
}

/// A figure with as many digits as it deserves.
pub fn figure(value: f64) -> String {
    match value {
        _ if value.is_nan() => "–".to_owned(),
        _ if value < 10.0 => format!("{value:.2}"),
        _ if value < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

impl Report {
    /// The results go to files in this directory, too.
    pub fn new(dir: PathBuf, head: String) -> Self {
        Self { dir, head, goals: String::new(), tables: String::new(), missing: Vec::new(), bars: Vec::new(), group: 0 }
    }

    /// Says why somebody is not in the tables.
    pub fn left_out(&mut self, name: &str, why: &str) {
        let line = format!("{name}: {why}");
        eprintln!("bench: left out: {line}");
        if !self.missing.contains(&line) {
            self.missing.push(line);
        }
    }

    /// Ours against somebody's, both in `unit`, as a row of the goals.
    pub fn goal(&mut self, what: &str, unit: &str, times: &[Times], ours: &str, other: &str, goal: Goal) {
        let wish = match goal {
            Goal::AtMost(ratio) => format!("≤ {ratio} × {other}"),
            Goal::Faster(ratio) => format!("≥ {ratio} × faster than {other}"),
        };
        let (Some(ours), Some(theirs)) = (of(times, ours), of(times, other)) else {
            let _ = writeln!(self.goals, "| {what} | – | {wish} | – | not measured |");
            return;
        };
        let (own, their) = (ours.median(), theirs.median());
        let (ratio, met) = match goal {
            Goal::AtMost(most) => (own / their, own / their <= most),
            Goal::Faster(least) => (their / own, their / own >= least),
        };
        let met = if met { "yes" } else { "**no**" };
        let _ = writeln!(
            self.goals,
            "| {what} | {} {unit} | {wish} ({} {unit}) | {} | {met} |",
            figure(own),
            figure(their),
            figure(ratio)
        );
    }

    /// A figure of ours against a limit.
    pub fn limit(&mut self, what: &str, unit: &str, value: f64, most: f64) {
        let met = if value <= most { "yes" } else { "**no**" };
        let _ = writeln!(self.goals, "| {what} | {} {unit} | ≤ {most} {unit} | | {met} |", figure(value));
    }

    /// A row of the goals in words.
    pub fn fact(&mut self, what: &str, value: &str, wish: &str, met: bool) {
        let met = if met { "yes" } else { "**no**" };
        let _ = writeln!(self.goals, "| {what} | {value} | {wish} | | {met} |");
    }

    /// All the figures of a task, the least first; the first of the list is ours.
    pub fn table(&mut self, title: &str, unit: &str, times: &[Times]) {
        let ours = times[0].median();
        let mut text = format!("\n| {title} | median {unit} | p95 | min | × ours |\n|---|---:|---:|---:|---:|\n");
        let mut order: Vec<&Times> = times.iter().collect();
        order.sort_by(|a, b| a.median().total_cmp(&b.median()));
        for times in order {
            let bold = if times.name.starts_with("mydocker") { "**" } else { "" };
            let failed = if times.failed == 0 { String::new() } else { format!(" ({} failed)", times.failed) };
            let _ = writeln!(
                text,
                "| {bold}{}{bold}{failed} | {} | {} | {} | {} |",
                times.name,
                figure(times.median()),
                figure(quantile(&times.list, 0.95)),
                figure(quantile(&times.list, 0.0)),
                figure(times.median() / ours)
            );
            if times.failed > 0 && times.list.is_empty() {
                self.missing.push(format!("{}: never succeeded at “{title}”", times.name));
            }
        }
        self.text(&text);
        let rounds = times.iter().map(|times| times.list.len() + times.failed).max().unwrap_or(0);
        self.text(&format!("\nn = {rounds}\n"));
    }

    /// What the next tables are about.
    pub fn chapter(&mut self, text: &str) {
        self.text(&format!("\n{text}:\n"));
    }

    /// Some lines of the chart: a title, and who takes how long.
    pub fn bars(&mut self, title: &str, times: &[Times], names: &[&str]) {
        let found = names.iter().filter_map(|name| of(times, name));
        self.bars.push((title.to_owned(), found.map(|times| (times.name.clone(), times.median())).collect()));
    }

    /// Anything else.
    pub fn text(&mut self, text: &str) {
        print!("{text}");
        self.tables.push_str(text);
    }

    /// Keeps what the last group found.
    pub fn write(&mut self, group: &str) {
        let path = self.dir.join(format!("{group}.md"));
        fs::write(&path, &self.tables[self.group..]).unwrap_or_else(|error| eprintln!("bench: {error}"));
        self.group = self.tables.len();
    }

    /// The table of goals, the tables, and who is missing, and the chart; what README shows if all was
    /// measured.
    pub fn finish(self, all: bool) {
        let mut text = String::new();
        if !self.goals.is_empty() {
            let _ = writeln!(text, "| what | ours | goal | ratio | met |\n|---|---:|---|---:|---|\n{}", self.goals);
        }
        for line in &self.missing {
            let _ = writeln!(text, "Left out: {line}.\n");
        }
        let _ = writeln!(text, "Medians of one run. {}.", self.head);
        println!("\n{text}");
        self.put("report.md", &format!("{text}{}", self.tables));
        if all {
            self.put("readme.md", &text);
        }
        if !self.bars.is_empty() {
            self.put("chart.svg", &chart::draw(&self.bars));
        }
    }

    fn put(&self, name: &str, text: &str) {
        let path = self.dir.join(name);
        match fs::write(&path, text) {
            Ok(()) => eprintln!("== {}", path.display()),
            Err(error) => eprintln!("bench: {}: {error}", path.display()),
        }
    }
}
