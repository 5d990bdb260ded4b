//! What the files say: from texts and values to texts. hosts(5), resolv.conf(5).

use crate::kernel::hex;
use crate::spec::ip;
use crate::spec::subnet::Subnet;
use crate::spec::text;
use crate::spec::{Attached, Spec};
use crate::store::networks;
use alloc::string::String;
use alloc::vec::Vec;

/// The lines that docker's hosts file begins with.
pub const HOSTS: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\n\
                         ff00::0\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";
/// Name servers for whoever has no other, docker's.
const SERVERS: &str = "nameserver 8.8.8.8\nnameserver 8.8.4.4\n";
/// Where systemd-resolved listens on the host, and on no other network.
const STUB: &str = "127.0.0.53";
/// In the place of an address: whatever leads to the host.
pub const HOST_GATEWAY: &str = "host-gateway";

/// Adds a word that is not there yet. What would not stay one word of the line is left out.
fn add(words: &mut String, word: &str) {
    let is_word = !word.is_empty() && word.bytes().all(|b| b > b' ' && b != b'#' && b != 0x7f);
    if is_word && !words.split(' ').any(|one| one == word) {
        text::add(words, " ", word);
    }
}

/// The digits of an id that people see.
fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// The lines that lead to the asked addresses; `gateway` is the host's, empty where there is none.
pub fn extra(spec: &Spec, gateway: &str, hosts: &mut String) {
    if !hosts.is_empty() && !hosts.ends_with('\n') {
        hosts.push('\n');
    }
    for asked in &spec.extra_hosts {
        let Some((name, ip)) = asked.split_once(':') else { continue };
        let ip = if ip == HOST_GATEWAY { gateway } else { ip.trim_matches(['[', ']']) };
        let mut word = String::new();
        add(&mut word, name);
        if !word.is_empty() && ip::read(ip).is_some() {
            hosts.extend([ip, "\t", &word, "\n"]);
        }
    }
}

/// Its host name with the domain, as it stands first in its own lines.
fn full_name(spec: &Spec) -> String {
    let domain = spec.domainname.as_deref().unwrap_or_default();
    [spec.hostname.as_str(), if domain.is_empty() { "" } else { "." }, domain].concat()
}

/// The lines of one container: each of its addresses, with the same words.
fn lines(ips: [&str; 2], words: &str) -> String {
    let mut lines = String::new();
    for ip in ips {
        if !ip.is_empty() {
            lines.extend([ip, "\t", words, "\n"]);
        }
    }
    lines
}

/// A container's lines in its own file. On a network of the user's it finds itself as the others do.
pub fn own(spec: &Spec, attached: &Attached) -> String {
    let (full, mut words) = (full_name(spec), String::new());
    add(&mut words, &full);
    add(&mut words, &spec.hostname);
    add(&mut words, full.split('.').next().unwrap_or_default());
    if attached.network != networks::DEFAULT {
        add_names(spec, &attached.network, &[], &mut words);
        add(&mut words, short(&spec.id));
    }
    lines([&attached.ip, &attached.ip6], &words)
}

/// Whether that is one of the lines of [`own`], under whatever name it has otherwise.
pub fn is_own(line: &str, spec: &Spec, attached: &Attached) -> bool {
    let Some((ip, words)) = line.split_once('\t') else { return false };
    (ip == attached.ip || ip == attached.ip6) && words.split_ascii_whitespace().next() == Some(&full_name(spec))
}

fn add_names(spec: &Spec, network: &str, links: &[String], words: &mut String) {
    for link in links {
        if let Some((id, alias)) = link.split_once(':')
            && id == spec.id
        {
            add(words, alias);
        }
    }
    add(words, &spec.name);
    for endpoint in &spec.endpoints {
        if endpoint.network == network {
            endpoint.aliases.iter().filter(|alias| **alias != short(&spec.id)).for_each(|alias| add(words, alias));
        }
    }
}

/// A container's lines in the file of another one on a network, where it has these addresses: all its names there, those that the other gave it by `links` first, and
/// at the end its short id, by which [`about`] knows the line as one of ours.
pub fn of_other(spec: &Spec, network: &str, ips: [&str; 2], links: &[String]) -> String {
    let mut words = String::new();
    add_names(spec, network, links, &mut words);
    words.extend([" ", short(&spec.id)]);
    lines(ips, &words)
}

/// The address and the short id in a line of [`of_other`]. Nobody else's lines look so: the ones that were asked for have
/// one name.
fn about(line: &str) -> Option<(&str, &str)> {
    let (ip, words) = line.split_once('\t')?;
    let (_, id) = words.trim_ascii_end().rsplit_once(' ')?;
    (hex::is(id, 12) && ip::read(ip).is_some()).then_some((ip, id))
}

/// Whether that is a line about this container.
pub fn is_about(line: &str, spec: &Spec) -> bool {
    about(line).is_some_and(|(_, id)| id == short(&spec.id))
}

/// Whether a line about another container is wrong, now that this one is on the network: it has the address, or had
/// another one.
pub fn is_outdated(line: &str, spec: &Spec, attached: &Attached) -> bool {
    about(line).is_some_and(|(ip, id)| {
        ip == attached.ip || ip == attached.ip6 || id == short(&spec.id) && is_there(ip, attached)
    })
}

/// Whether that is a line about a container of this network.
pub fn is_of_network(line: &str, attached: &Attached) -> bool {
    about(line).is_some_and(|(ip, _)| is_there(ip, attached))
}

fn is_there(ip: &str, attached: &Attached) -> bool {
    let Some(ip) = ip::read(ip) else { return false };
    [(attached.ip.as_str(), attached.prefix), (&attached.ip6, attached.prefix6)].into_iter().any(|(own, prefix)| {
        let Some(address) = ip::read(own) else { return false };
        let width = if address.is_ipv4() { 32 } else { 128 };
        prefix <= width && Subnet { address, prefix: prefix as u8 }.contains(ip)
    })
}

/// The file without the lines that `is_gone` picks, then `more`. All else stays as it is: people write there, too, and
/// programs, in whatever way.
pub fn edited(file: &[u8], is_gone: &dyn Fn(&str) -> bool, more: &str) -> Vec<u8> {
    let mut kept = Vec::with_capacity(file.len() + more.len() + 1);
    for line in file.split_inclusive(|byte| *byte == b'\n') {
        if !core::str::from_utf8(line).is_ok_and(is_gone) {
            kept.extend_from_slice(line);
        }
    }
    if !more.is_empty() && kept.last().is_some_and(|byte| *byte != b'\n') {
        kept.push(b'\n');
    }
    kept.extend_from_slice(more.as_bytes());
    kept
}

/// Whether systemd-resolved wrote this for the host's own programs.
pub fn is_stub(resolv: &str) -> bool {
    let mut is_so = false;
    for line in resolv.lines() {
        let mut words = line.split_ascii_whitespace();
        if words.next() == Some("nameserver") {
            is_so = words.next() == Some(STUB);
            if !is_so {
                return false;
            }
        }
    }
    is_so
}

/// Whether a container on a bridge can reach a name server of the host's.
fn is_reached(server: &str, has_six: bool) -> bool {
    // An address with a zone is none: the link that it means is the host's.
    ip::read(server).is_some_and(|ip| !ip.is_loopback() && !ip.is_unspecified() && (ip.is_ipv4() || has_six))
}

/// Whether the flags say something of resolv.conf.
pub fn says_resolv(spec: &Spec) -> bool {
    !(spec.dns.is_empty() && spec.dns_search.is_empty() && spec.dns_options.is_empty())
}

/// A container's resolv.conf: the host's, with what was asked for in the place of its parts. On a bridge (`has_six` tells
/// whether it has IPv6 there) without name servers that it cannot reach, and never without any.
pub fn resolv(host: &str, spec: &Spec, has_six: Option<bool>) -> String {
    let (mut servers, mut search, mut options) = (String::new(), String::new(), String::new());
    for line in host.lines() {
        let (key, words) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        match key {
            "nameserver" if spec.dns.is_empty() => {
                let server = words.split_ascii_whitespace().next().unwrap_or_default();
                if !server.is_empty() && has_six.is_none_or(|six| is_reached(server, six)) {
                    servers.extend(["nameserver ", server, "\n"]);
                }
            }
            "domain" | "search" if spec.dns_search.is_empty() => {
                search.clear(); // the last one counts
                add_all(&mut search, words);
            }
            "options" if spec.dns_options.is_empty() => add_all(&mut options, words),
            _ => {}
        }
    }
    spec.dns.iter().for_each(|server| servers.extend(["nameserver ", server.trim(), "\n"]));
    spec.dns_search.iter().filter(|domain| *domain != ".").for_each(|domain| add_all(&mut search, domain));
    spec.dns_options.iter().for_each(|option| add_all(&mut options, option));
    if servers.is_empty() && has_six.is_some() {
        servers.push_str(SERVERS);
    }
    let mut text = String::new();
    for (key, words) in [("search", &search), ("", &servers), ("options", &options)] {
        if !words.is_empty() {
            text.extend([key, words, if key.is_empty() { "" } else { "\n" }]);
        }
    }
    text
}

/// Adds each of the words, with a blank before it.
fn add_all(list: &mut String, words: &str) {
    words.split_ascii_whitespace().for_each(|word| list.extend([" ", word]));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Endpoint;
    use alloc::format;

    fn spec(name: &str, aliases: &[&str]) -> Spec {
        let id = hex::encode(format!("{name:x<6}").as_bytes());
        let aliases = aliases.iter().map(|alias| (*alias).into()).collect();
        Spec {
            id: [id.as_str(), &"0".repeat(52)].concat(),
            name: name.into(),
            hostname: id[..12].into(),
            endpoints: alloc::vec![Endpoint { network: "net".into(), aliases, ..Endpoint::default() }],
            ..Spec::default()
        }
    }

    fn at(network: &str, ip: &str, ip6: &str) -> Attached {
        let (network, ip, ip6) = (network.into(), ip.into(), ip6.into());
        Attached { network, ip, prefix: 16, ip6, prefix6: 64, ..Attached::default() }
    }

    fn list(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).into()).collect()
    }

    #[test]
    fn own_lines() {
        let mut web = spec("web", &["www", "web", "bad alias", "x\ny", "#", ""]);
        let id = web.hostname.clone();
        assert_eq!(own(&web, &at("bridge", "172.17.0.2", "")), format!("172.17.0.2\t{id}\n"));
        let words = format!("{id} web www");
        assert_eq!(own(&web, &at("net", "172.18.0.2", "fd00::2")), format!("172.18.0.2\t{words}\nfd00::2\t{words}\n"));
        web.hostname = "foo".into();
        assert_eq!(own(&web, &at("net", "172.18.0.2", "")), format!("172.18.0.2\tfoo web www {id}\n"));
        for (hostname, domain, want) in
            [("foo", "ex.com", "foo.ex.com foo"), ("foo.bar", "", "foo.bar foo"), ("a.b", "c", "a.b.c a.b a")]
        {
            (web.hostname, web.domainname) = (hostname.into(), Some(domain.into()));
            let line = own(&web, &at("bridge", "172.17.0.2", ""));
            assert_eq!(line, format!("172.17.0.2\t{want}\n"));
            assert!(is_own(&line, &web, &at("bridge", "172.17.0.2", "")), "{line}");
            assert!(!is_own(&line, &web, &at("bridge", "172.17.0.3", "")), "{line}");
            assert!(!is_own(&format!("172.17.0.2\tx{want}\n"), &web, &at("bridge", "172.17.0.2", "")), "{line}");
        }
    }

    #[test]
    fn lines_about_others() {
        let (web, here) = (spec("web", &["www"]), at("net", "172.18.0.2", "fd00::2"));
        let (id, short) = (web.id.clone(), web.hostname.clone());
        let links = [format!("{id}:db"), format!("{}:no", "1".repeat(64)), "odd".into()];
        let text = of_other(&web, &here.network, [&here.ip, &here.ip6], &links);
        assert_eq!(text, format!("172.18.0.2\tdb web www {short}\nfd00::2\tdb web www {short}\n"));
        let gone: Vec<bool> = text.lines().map(|line| is_about(line, &web)).collect();
        assert_eq!(gone, [true, true]);
        assert_eq!(of_other(&web, "bridge", ["172.17.0.2", ""], &[]), format!("172.17.0.2\tweb {short}\n"));
        // Its short id is last even if it is an alias, too.
        let odd = spec("web", &[&short, "z"]);
        assert_eq!(of_other(&odd, "net", ["172.18.0.2", ""], &[]), format!("172.18.0.2\tweb z {short}\n"));
        for (line, about, outdated, of_network) in [
            (format!("172.18.0.2\tweb {short}"), true, true, true),
            (format!("172.18.0.2\tweb {short}\r\n"), true, true, true),
            (format!("172.18.0.9\told {short}"), true, true, true),
            (format!("172.19.0.9\tweb {short}"), true, false, false),
            ("172.18.0.2\tdb aaaaaaaaaaaa".into(), false, true, true),
            ("172.18.0.3\tdb aaaaaaaaaaaa".into(), false, false, true),
            ("fd00::9\tdb aaaaaaaaaaaa".into(), false, false, true),
            ("fd01::9\tdb aaaaaaaaaaaa".into(), false, false, false),
            (format!("172.18.0.2\t{short}"), false, false, false),
            ("172.18.0.2\tmine".into(), false, false, false),
            (format!("172.18.0.2 web {short}"), false, false, false),
            (format!("# 172.18.0.2\tweb {short}"), false, false, false),
            (String::new(), false, false, false),
        ] {
            let got = (is_about(&line, &web), is_outdated(&line, &web, &here), is_of_network(&line, &here));
            assert_eq!(got, (about, outdated, of_network), "{line:?}");
        }
        // A record that is damaged picks nothing.
        let damaged = Attached { ip: "?".into(), prefix: 900, ip6: "fd00::".into(), prefix6: 300, ..here };
        assert!(!is_of_network(&format!("172.18.0.2\tweb {short}"), &damaged));
        assert!(!is_of_network(&format!("fd00::2\tweb {short}"), &damaged));
    }

    #[test]
    fn what_others_wrote_stays() {
        let is_gone = |line: &str| line.starts_with("9.9.9.9\t");
        let huge = [b"# ".as_slice(), &alloc::vec![b'x'; 1 << 20], b"\n9.9.9.9\tx"].concat();
        for (before, more, after) in [
            (b"".as_slice(), "a\n", b"a\n".as_slice()),
            (b"", "", b""),
            (b"own", "a\n", b"own\na\n"),
            (b"own", "", b"own"),
            (b"9.9.9.9\tx\nown\r\n9.9.9.9\ty\n\n\n", "a\n", b"own\r\n\n\na\n"),
            (b"9.9.9.9\tx", "a\n", b"a\n"),
            (b"\0\0\xff\xfe\n9.9.9.9\tx\n 9.9.9.9\tx", "", b"\0\0\xff\xfe\n 9.9.9.9\tx"),
            (b"9.9.9.9\t\xff\n", "", b"9.9.9.9\t\xff\n"),
            (&huge, "", &huge[..huge.len() - 9]),
        ] {
            assert!(
                edited(before, &is_gone, more) == after,
                "{:?}",
                String::from_utf8_lossy(&before[..20.min(before.len())])
            );
        }
    }

    #[test]
    fn extra_hosts() {
        let extra_hosts = list(&[
            "a:1.2.3.4",
            "b:::1",
            "c:[::2]",
            "hg:host-gateway",
            "odd",
            "x y:1.1.1.1",
            "n\nm:1.1.1.1",
            "z:nowhere",
            ":1.1.1.1",
        ]);
        let asked = Spec { extra_hosts, ..Spec::default() };
        let mut hosts = String::from("first");
        extra(&asked, "172.17.0.1", &mut hosts);
        assert_eq!(hosts, "first\n1.2.3.4\ta\n::1\tb\n::2\tc\n172.17.0.1\thg\n");
        hosts.clear();
        extra(&asked, "", &mut hosts);
        assert_eq!(hosts, "1.2.3.4\ta\n::1\tb\n::2\tc\n");
    }

    #[test]
    fn name_servers() {
        let plain = Spec::default();
        for (host, six, want) in [
            ("nameserver 192.0.2.53\n", Some(false), "nameserver 192.0.2.53\n"),
            ("", Some(true), SERVERS),
            ("nameserver 127.0.0.1\nnameserver ::1\nnameserver 127.9.9.9", Some(true), SERVERS),
            ("nameserver 127.0.0.1\n", None, "nameserver 127.0.0.1\n"),
            ("", None, ""),
            ("nameserver 2001:db8::1\nnameserver 1.1.1.1", Some(false), "nameserver 1.1.1.1\n"),
            ("nameserver 2001:db8::1\nnameserver 1.1.1.1", Some(true), "nameserver 2001:db8::1\nnameserver 1.1.1.1\n"),
            ("nameserver fe80::1%eth0\nnameserver\t9.9.9.9 # x", Some(true), "nameserver 9.9.9.9\n"),
            ("nameserver 0.0.0.0\nnameserver bogus\nnameserver\n", Some(true), SERVERS),
            ("; x\n# nameserver 1.1.1.1\n nameserver 1.1.1.1\nnameserver 2.2.2.2\r\n", None, "nameserver 2.2.2.2\n"),
            (
                "domain a\nsearch b c\noptions x\nnameserver 1.1.1.1\nsortlist q\noptions y z",
                Some(false),
                "search b c\nnameserver 1.1.1.1\noptions x y z\n",
            ),
        ] {
            assert_eq!(resolv(host, &plain, six), want, "{host:?}");
        }
        let mut asked = Spec { dns: list(&["9.9.9.9", "127.0.0.1"]), dns_search: list(&["ex.com"]), ..Spec::default() };
        asked.dns_options = list(&["ndots:2", "a\nnameserver 6.6.6.6"]);
        let host = "search h\nnameserver 1.1.1.1\noptions o\n";
        let want = "search ex.com\nnameserver 9.9.9.9\nnameserver 127.0.0.1\noptions ndots:2 a nameserver 6.6.6.6\n";
        assert_eq!(resolv(host, &asked, Some(false)), want);
        let bare = Spec { dns_search: list(&["."]), ..Spec::default() };
        assert!(says_resolv(&asked) && says_resolv(&bare) && !says_resolv(&plain));
        assert_eq!(resolv(host, &bare, Some(false)), "nameserver 1.1.1.1\noptions o\n");
    }

    #[test]
    fn the_stub_of_systemd() {
        assert!(is_stub("# x\nnameserver 127.0.0.53\noptions edns0 trust-ad\nsearch .\n"));
        for other in
            ["", "nameserver 127.0.0.1\n", "nameserver 127.0.0.53\nnameserver 1.1.1.1", "#nameserver 127.0.0.53"]
        {
            assert!(!is_stub(other), "{other}");
        }
    }
}
