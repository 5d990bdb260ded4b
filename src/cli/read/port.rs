//! `-p` and `--expose`: ports of the container, and of the host.

use super::{bad, nth, wrong, wrongs};
use alloc::string::String;
use alloc::vec::Vec;
use mydocker::error::{Error, Result};
use mydocker::spec::ip;
use mydocker::spec::port::{Range, range, span};
use mydocker::spec::{Protocol, Publish};

/// So many ports of one container can be published: its record has a line for each.
pub const PORTS_MAX: usize = 65_536;

/// Reads `--expose`.
pub fn expose(text: &str) -> Result<Range> {
    let what = match range(text) {
        _ if text.contains(':') => "invalid port format for --expose: {}",
        Some(range) if range.0 > 0 => return Ok(range),
        _ => "invalid range format for --expose: {}",
    };
    Err(wrong(what, text))
}

/// Reads `-p`, `[ADDRESS:][PORT[-LAST]:]PORT[-LAST][/PROTOCOL]`, and adds what it asks for: one entry for each port of
/// the container.
pub fn publish(text: &str, to: &mut Vec<Publish>) -> Result<()> {
    if text.contains('=') {
        return publish(&short(text)?, to);
    }
    let (rest, container) = text.rsplit_once(':').unwrap_or(("", text));
    let (ip, host) = rest.rsplit_once(':').unwrap_or(("", rest));
    let (container, name) = container.split_once('/').unwrap_or((container, ""));
    if container.is_empty() {
        return Err(wrong("no port specified: {}<empty>", text));
    }
    let protocol = Protocol::named(name).ok_or_else(|| wrong("invalid proto: {}", name))?;
    let ip = match ip {
        "" => String::new(),
        _ => address(ip).ok_or_else(|| wrong("invalid IP address: {}", ip))?,
    };
    // Port 0 of the host means any that is free; there is none in the container.
    let ports = span(container).filter(|(first, _)| *first > 0);
    let (first, last) = ports.ok_or_else(|| wrong("invalid containerPort: {}", container))?;
    let hosts = span(if host.is_empty() { "0" } else { host }).filter(|(first, last)| *first > 0 || *last == 0);
    let (host_first, host_last) = hosts.ok_or_else(|| wrong("invalid hostPort: {}", host))?;
    let is_any = host_first == 0;
    if first != last && !is_any && last - first != host_last - host_first {
        let what = "invalid ranges specified for container and host Ports: {} and {}";
        return Err(wrongs(what, &[container, host]));
    }
    if to.len() + (last - first) as usize >= PORTS_MAX {
        return Err(too_many());
    }
    for port in first..=last {
        let at = if is_any { 0 } else { host_first + port - first };
        let host_last = if first == last { host_last } else { at };
        to.push(Publish { ip: ip.clone(), host_first: at, host_last, port, protocol });
    }
    Ok(())
}

/// The error for more than [`PORTS_MAX`].
pub fn too_many() -> Error {
    bad("too many published ports: 65536 are the most for one container")
}

/// An IP address, IPv6 ones also in brackets, as it is always written.
pub fn address(text: &str) -> Option<String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    ip::read(bare).map(|ip| ip::text(ip.to_canonical()))
}

/// The short form of `published=8080,target=80,protocol=tcp`.
fn short(text: &str) -> Result<String> {
    let mut parts = [""; 3];
    for field in text.split(',') {
        let (key, value) = field.split_once('=').unwrap_or_default();
        match nth("published target protocol", key) {
            Some(at) if !value.contains('=') => parts[at] = value,
            _ if field == "mode=host" => {}
            _ if key.is_empty() => {
                return Err(wrong("invalid publish opts format (should be name=value but got '{}')", field));
            }
            _ => return Err(wrong("invalid publish opts: {}: only published, target, protocol and mode=host", field)),
        }
    }
    Ok([parts[0], ":", parts[1], "/", parts[2]].concat())
}

#[cfg(test)]
mod tests {
    use super::super::tests::text;
    use super::*;
    use alloc::format;

    fn read(typed: &str) -> String {
        let mut all = Vec::new();
        if let Err(error) = publish(typed, &mut all) {
            assert!(all.is_empty());
            return text::<()>(Err(error));
        }
        let shown = |one: &Publish| {
            let host = format!("{}:{}-{}", one.ip, one.host_first, one.host_last);
            format!("{host}>{}/{}", one.port, one.protocol.word())
        };
        all.iter().map(shown).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn ports_that_are_published() {
        for (typed, want) in [
            ("80", ":0-0>80/tcp"),
            ("8080:80", ":8080-8080>80/tcp"),
            ("0:80", ":0-0>80/tcp"),
            (":80", ":0-0>80/tcp"),
            ("::80", ":0-0>80/tcp"),
            ("80/", ":0-0>80/tcp"),
            ("8080:80/UDP", ":8080-8080>80/udp"),
            ("53:53/sctp", ":53-53>53/sctp"),
            ("127.0.0.1:8080:80", "127.0.0.1:8080-8080>80/tcp"),
            ("127.0.0.1::81/udp", "127.0.0.1:0-0>81/udp"),
            ("0.0.0.0:1:65535", "0.0.0.0:1-1>65535/tcp"),
            ("[::1]:80:80", "::1:80-80>80/tcp"),
            ("[::]::80", ":::0-0>80/tcp"),
            ("::1:80:80", "::1:80-80>80/tcp"),
            ("[0:0::1]:80:80", "::1:80-80>80/tcp"),
            ("[::ffff:1.2.3.4]:80:80", "1.2.3.4:80-80>80/tcp"),
            ("8000-8010:80", ":8000-8010>80/tcp"),
            ("8000-8001:80-81", ":8000-8000>80/tcp :8001-8001>81/tcp"),
            ("80-82", ":0-0>80/tcp :0-0>81/tcp :0-0>82/tcp"),
            ("[::1]:65534-65535:1-2/udp", "::1:65534-65534>1/udp ::1:65535-65535>2/udp"),
            ("published=8080,target=80", ":8080-8080>80/tcp"),
            ("target=80", ":0-0>80/tcp"),
            ("published=127.0.0.1:8080,target=80,protocol=udp,mode=host", "127.0.0.1:8080-8080>80/udp"),
            ("published=8000-8001,target=80-81", ":8000-8000>80/tcp :8001-8001>81/tcp"),
        ] {
            assert_eq!(read(typed), want, "{typed}");
        }
    }

    #[test]
    fn ports_that_are_none() {
        for (typed, want) in [
            ("", "no port specified: <empty>"),
            ("80:", "no port specified: 80:<empty>"),
            ("/udp", "no port specified: /udp<empty>"),
            ("x", "invalid containerPort: x"),
            ("80:x", "invalid containerPort: x"),
            ("80:0", "invalid containerPort: 0"),
            ("80:65536", "invalid containerPort: 65536"),
            ("80:-1", "invalid containerPort: -1"),
            ("80:+1", "invalid containerPort: +1"),
            ("80: 1", "invalid containerPort:  1"),
            ("80:2-1", "invalid containerPort: 2-1"),
            ("80:1-2-3", "invalid containerPort: 1-2-3"),
            ("80:1-", "invalid containerPort: 1-"),
            ("80:99999999999999999999", "invalid containerPort: 99999999999999999999"),
            ("80:1\n", "invalid containerPort: 1\\n"),
            ("99999:80", "invalid hostPort: 99999"),
            ("x:80", "invalid hostPort: x"),
            ("0-5:80", "invalid hostPort: 0-5"),
            ("9-8:80", "invalid hostPort: 9-8"),
            ("80:80/icmp", "invalid proto: icmp"),
            ("80/tcp/udp", "invalid proto: tcp/udp"),
            ("localhost:80:80", "invalid IP address: localhost"),
            ("127.0.0.01:80:80", "invalid IP address: 127.0.0.01"),
            ("300.0.0.1:80:80", "invalid IP address: 300.0.0.1"),
            ("[::1:80:80", "invalid IP address: [::1"),
            ("[::1]:80", "invalid IP address: [:"),
            ("[fe80::1%eth0]:80:80", "invalid IP address: [fe80::1%eth0]"),
            ("1.2.3.4:5:6:7", "invalid IP address: 1.2.3.4:5"),
            ("8000-8002:80-81", "invalid ranges specified for container and host Ports: 80-81 and 8000-8002"),
            ("8000:80-81", "invalid ranges specified for container and host Ports: 80-81 and 8000"),
            ("published=80", "no port specified: 80:/<empty>"),
            ("target=x", "invalid containerPort: x"),
            ("target=80,", "invalid publish opts format (should be name=value but got '')"),
            ("target=80,=x", "invalid publish opts format (should be name=value but got '=x')"),
            (
                "target=80,mode=ingress",
                "invalid publish opts: mode=ingress: only published, target, protocol and mode=host",
            ),
            (
                "target=80,host_ip=::1",
                "invalid publish opts: host_ip=::1: only published, target, protocol and mode=host",
            ),
            ("target=a=80", "invalid publish opts: target=a=80: only published, target, protocol and mode=host"),
        ] {
            assert_eq!(read(typed), want, "{typed}");
        }
    }

    #[test]
    fn there_are_not_endlessly_many() {
        let mut all = Vec::new();
        publish("1-65535:1-65535", &mut all).unwrap();
        publish("1:1/udp", &mut all).unwrap();
        assert_eq!(all.len(), PORTS_MAX);
        assert!(text(publish("1:1/sctp", &mut all)).starts_with("too many published ports"));
        assert!(text(publish("1-65535:1-65535/sctp", &mut all)).starts_with("too many published ports"));
        assert_eq!(all.len(), PORTS_MAX);
    }

    #[test]
    fn ports_that_are_served() {
        for (typed, want) in [
            ("80", "80-80/tcp"),
            ("80/", "80-80/tcp"),
            ("53/UDP", "53-53/udp"),
            ("8000-8010/sctp", "8000-8010/sctp"),
            ("1:2", "invalid port format for --expose: 1:2"),
            ("0", "invalid range format for --expose: 0"),
            ("", "invalid range format for --expose: "),
            ("x", "invalid range format for --expose: x"),
            ("80/icmp", "invalid range format for --expose: 80/icmp"),
            ("9-8", "invalid range format for --expose: 9-8"),
            ("65536", "invalid range format for --expose: 65536"),
            ("8\n", "invalid range format for --expose: 8\\n"),
        ] {
            let shown = match expose(typed) {
                Ok((first, last, protocol)) => format!("{first}-{last}/{}", protocol.word()),
                Err(error) => text::<()>(Err(error)),
            };
            assert_eq!(shown, want, "{typed}");
        }
    }
}
