//! Ports of containers as text: `80/tcp`.

use super::Protocol;
use alloc::format;
use alloc::string::String;

impl Protocol {
    /// The protocol of this name.
    pub fn named(word: &str) -> Option<Self> {
        Self::WORDS.iter().position(|known| *known == word).map(|at| Self::EACH[at])
    }
}

/// The port as docker names it.
pub fn text(port: u32, protocol: Protocol) -> String {
    format!("{port}/{}", protocol.word())
}

/// Reads `PORT[-PORT][/PROTOCOL]`: the first port, the last one, and tcp if nothing else is said.
pub fn range(text: &str) -> Option<(u32, u32, Protocol)> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let (first, last) = (first.parse::<u16>().ok()?, last.parse::<u16>().ok()?);
    (first <= last).then_some((u32::from(first), u32::from(last), Protocol::named(protocol)?))
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
        for (typed, first, last) in
            [("80", 80, "80/tcp"), ("53/udp", 53, "53/udp"), ("8000-8080/sctp", 8000, "8080/sctp"), ("0", 0, "0/tcp")]
        {
            assert_eq!(read_again(typed), Some((first, last.into())), "{typed}");
        }
        for wrong in ["", "x", "80/", "80/ax25", "65536", "-1", "2-1", "1-", "1-2-3", "80/TCP"] {
            assert!(range(wrong).is_none(), "{wrong}");
        }
        assert!(read("80-81").is_none() && read("80-80/udp").is_some_and(|(port, _)| port == 80));
    }
}
