//! The ports of containers: what `ps` says of them, and `port`.

use super::args::Parsed;
use super::{OK, human, open_store, print};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;
use mydocker::error::{Error, Result};
use mydocker::life::remove;
use mydocker::spec::order;
use mydocker::spec::{Bound, Network, Spec, State, Status, port};
use mydocker::store::containers;

/// The ports of a container that runs on networks of its own: those of the host that lead to it, and, without an address,
/// those that nothing leads to; in the order of `port`.
pub fn of(spec: &Spec, state: &State) -> Vec<Bound> {
    if state.status != Status::Running || spec.network != Network::Bridge {
        return Vec::new();
    }
    let mut ports = state.ports.clone();
    for text in &spec.exposed {
        if let Some((port, protocol)) = port::read(text) {
            ports.push(Bound { port, protocol, ..Bound::default() });
        }
    }
    // There may be tens of thousands. One that is only exposed stands right before what leads to it.
    let mut all: Vec<Bound> = Vec::new();
    for port in sorted(ports, true) {
        all.pop_if(|last| last.ip.is_empty() && (last.port, last.protocol) == (port.port, port.protocol));
        all.push(port);
    }
    all
}

/// `0.0.0.0:8080->80/tcp, [::]:8080->80/tcp, 90-92/tcp`: docker's text. It writes ports that follow each other as one range
/// if they have the same number outside.
pub fn text(ports: Vec<Bound>) -> String {
    let (mut text, mut others) = (String::new(), String::new());
    let mut ranges: Vec<(Bound, u32)> = Vec::new();
    for port in sorted(ports, false) {
        if !port.ip.is_empty() && port.host_port != port.port {
            add(&mut others, &port, port.port);
            continue;
        }
        let last = port.port;
        match ranges.iter_mut().find(|(first, _)| first.ip == port.ip && first.protocol == port.protocol) {
            Some(range) if range.1 + 1 == last => range.1 = last,
            Some(range) => {
                add(&mut text, &range.0, range.1);
                *range = (port, last);
            }
            None => ranges.push((port, last)),
        }
    }
    for (first, last) in &ranges {
        add(&mut text, first, *last);
    }
    if !text.is_empty() && !others.is_empty() {
        text.push_str(", ");
    }
    text + &others
}

/// docker's two orders: `port` has the protocol before the host's address, `ps` at the end.
fn sorted(ports: Vec<Bound>, by_protocol: bool) -> Vec<Bound> {
    let rank = |bound: &Bound| if by_protocol { bound.protocol as u32 } else { 0 };
    order::sorted(ports, &|a, b| {
        (a.port, rank(a), &a.ip, a.host_port, a.protocol as u32)
            < (b.port, rank(b), &b.ip, b.host_port, b.protocol as u32)
    })
}

/// Appends the ports from `first` to the container's port `last`.
fn add(text: &mut String, first: &Bound, last: u32) {
    if !text.is_empty() {
        text.push_str(", ");
    }
    let more = if last > first.port { format!("-{last}") } else { String::new() };
    if !first.ip.is_empty() {
        // One range has the same numbers on both sides.
        text.extend([&address(first), more.as_str(), "->"]);
    }
    let _ = write!(text, "{}{more}/{}", first.port, first.protocol.word()); // a String takes everything
}

/// `0.0.0.0:8080`, `[::]:8080`
fn address(bound: &Bound) -> String {
    let (open, close) = if bound.ip.contains(':') { ("[", "]") } else { ("", "") };
    format!("{open}{}{close}:{}", bound.ip, bound.host_port)
}

/// `port CONTAINER [PORT[/PROTOCOL]]`
pub fn port(parsed: &Parsed) -> Result<u8> {
    let store = open_store()?;
    let container = containers::find(&store, parsed.word(0))?;
    let typed = parsed.words.get(1);
    let mut wanted = None;
    if let Some(typed) = typed {
        let why = "PORT or PORT/PROTOCOL is expected, for example 80/tcp";
        let bad = || Error::new(format_args!("invalid port '{}': {why}", human::escaped(typed)));
        wanted = Some(port::read(typed).ok_or_else(bad)?);
    }
    let ports = match remove::settle(&store, &container)? {
        Some(state) if state.status == Status::Running => state.ports,
        _ => Vec::new(),
    };
    let mut lines = String::new();
    for bound in sorted(ports, true) {
        match wanted {
            None => lines.extend([&port::text(bound.port, bound.protocol), " -> "]),
            Some(wanted) if wanted == (bound.port, bound.protocol) => {}
            Some(_) => continue,
        }
        lines.extend([address(&bound).as_str(), "\n"]);
    }
    match typed {
        Some(typed) if lines.is_empty() => {
            Err(Error::new(format_args!("No public port '{typed}' published for {}", container.spec.name)))
        }
        _ => print(&lines).map(|()| OK),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned;

    /// `IP HOST-PORT PORT/PROTOCOL`, or the last of them alone.
    fn ports(lines: &[&str]) -> Vec<Bound> {
        let mut all = Vec::new();
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            let (port, protocol) = port::read(words[words.len() - 1]).unwrap();
            let (ip, host_port) = if words.len() == 3 { (words[0], words[1].parse().unwrap()) } else { ("", 0) };
            all.push(Bound { ip: ip.to_owned(), host_port, port, protocol });
        }
        all
    }

    #[test]
    fn the_text_of_ps() {
        for (lines, want) in [
            (&[][..], ""),
            (&["80"], "80/tcp"),
            (&["443", "81", "80", "82", "53/udp"], "80-82/tcp, 53/udp, 443/tcp"),
            (&["80", "81/udp", "81", "82/udp"], "80-81/tcp, 81-82/udp"),
            (&[":: 18080 80", "0.0.0.0 18080 80"], "0.0.0.0:18080->80/tcp, [::]:18080->80/tcp"),
            (&["127.0.0.1 80 80", "127.0.0.1 81 81", "443"], "127.0.0.1:80-81->80-81/tcp, 443/tcp"),
            (
                &["0.0.0.0 53 53/udp", "0.0.0.0 53 53", ":: 53 53", ":: 53 53/udp"],
                "0.0.0.0:53->53/tcp, 0.0.0.0:53->53/udp, [::]:53->53/tcp, [::]:53->53/udp",
            ),
            // What has another number outside stands alone, and last.
            (
                &["0.0.0.0 18080 80", ":: 18080 80", "127.0.0.1 32768 81/udp", "0.0.0.0 9000 90", "0.0.0.0 9001 91"],
                "0.0.0.0:18080->80/tcp, [::]:18080->80/tcp, 127.0.0.1:32768->81/udp, 0.0.0.0:9000->90/tcp, \
                 0.0.0.0:9001->91/tcp",
            ),
            (&["0.0.0.0 8080 80", "100", "99"], "99-100/tcp, 0.0.0.0:8080->80/tcp"),
            (
                &["0.0.0.0 1 1", ":: 1 1", "0.0.0.0 2 2", ":: 2 2", "0.0.0.0 4 4"],
                "0.0.0.0:1-2->1-2/tcp, 0.0.0.0:4->4/tcp, [::]:1-2->1-2/tcp",
            ),
        ] {
            assert_eq!(text(ports(lines)), want);
        }
    }

    #[test]
    fn what_is_exposed_is_shown_once_and_while_it_runs() {
        let mut spec = Spec { network: Network::Bridge, ..Spec::default() };
        spec.exposed = ["80/tcp", "443/tcp", "443/udp"].map(str::to_owned).to_vec();
        let mut state = State::created();
        state.ports = ports(&[":: 8443 443", "0.0.0.0 8443 443"]);
        assert!(of(&spec, &state).is_empty());
        state.status = Status::Running;
        assert_eq!(text(of(&spec, &state)), "80/tcp, 443/udp, 0.0.0.0:8443->443/tcp, [::]:8443->443/tcp");
        assert!(of(&spec, &state).iter().map(|bound| bound.ip.as_str()).eq(["", "0.0.0.0", "::", ""]));
        spec.network = Network::Host;
        assert!(of(&spec, &state).is_empty());
    }

    #[test]
    fn the_order_of_port() {
        let mut lines = Vec::new();
        for bound in sorted(ports(&[":: 5 80", "0.0.0.0 7 80/udp", "0.0.0.0 5 80", "0.0.0.0 9 9"]), true) {
            lines.push(format!("{} {}", port::text(bound.port, bound.protocol), address(&bound)));
        }
        assert_eq!(lines, ["9/tcp 0.0.0.0:9", "80/tcp 0.0.0.0:5", "80/tcp [::]:5", "80/udp 0.0.0.0:7"]);
    }
}
