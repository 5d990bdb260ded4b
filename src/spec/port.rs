//! Ports of containers as text: `80/tcp`.

use super::Protocol;
use super::text::is_alike;
use alloc::format;
use alloc::string::String;

impl Protocol {
    /// The protocol of this name, which is tcp if there is none.
    pub fn named(word: &str) -> Option<Self> {
        let word = if word.is_empty() { "tcp" } else { word };
        Self::WORDS.split(' ').position(|known| is_alike(known, word)).map(|at| Self::EACH[at])
    }
}

/// The port as docker names it.
pub fn text(port: u32, protocol: Protocol) -> String {
    format!("{port}/{}", protocol.word())
}

/// Ports of one protocol that follow each other: the first one and the last one.
pub type Range = (u32, u32, Protocol);

/// Reads `PORT[-PORT]`, in digits alone.
pub fn span(text: &str) -> Option<(u32, u32)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let port = |text: &str| text.parse::<u16>().ok().filter(|_| !text.starts_with('+')).map(u32::from);
    let (first, last) = (port(first)?, port(last)?);
    (first <= last).then_some((first, last))
}

/// Reads `PORT[-PORT][/PROTOCOL]`; tcp if nothing else is said.
pub fn range(text: &str) -> Option<Range> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, ""));
    let (first, last) = span(ports)?;
    Some((first, last, Protocol::named(protocol)?))
}

/// Reads `PORT[/PROTOCOL]`.
pub fn read(text: &str) -> Option<(u32, Protocol)> {
    range(text).filter(|(first, last, _)| first == last).map(|(port, _, protocol)| (port, protocol))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read() {
        let read_again = |typed: &str| range(typed).map(|(first, last, protocol)| (first, text(last, protocol)));
        for (typed, first, last) in [
            ("80", 80, "80/tcp"),
            ("80/", 80, "80/tcp"),
            ("80/TCP", 80, "80/tcp"),
            ("53/udp", 53, "53/udp"),
            ("8000-8080/sctp", 8000, "8080/sctp"),
            ("0", 0, "0/tcp"),
        ] {
            assert_eq!(read_again(typed), Some((first, last.into())), "{typed}");
        }
        for wrong in ["", "x", "/tcp", "80/ax25", "65536", "-1", "+1", "1-+2", "2-1", "1-", "1-2-3"] {
            assert!(range(wrong).is_none(), "{wrong}");
        }
        assert!(read("80-81").is_none() && read("80-80/udp").is_some_and(|(port, _)| port == 80));
    }
}
