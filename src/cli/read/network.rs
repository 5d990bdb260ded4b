//! `--network` and the flags about addresses and names: text in, what a record has of it out.

use super::{bad, mount, port, wrong};
use alloc::borrow::ToOwned;
use alloc::string::String;
use mydocker::error::Result;
use mydocker::spec::Endpoint;

/// Bytes of a name in a hosts file; domain names are not longer.
const NAME_BYTES_MAX: usize = 255;
/// Bytes of a hardware address, six in hexadecimal with signs between them.
const MAC_BYTES: usize = 17;

/// Reads `NAME`, or `name=NAME,alias=…,ip=…,ip6=…,mac-address=…`.
pub fn endpoint(text: &str) -> Result<Endpoint> {
    let mut asked = Endpoint::default();
    if !text.contains('=') {
        text.clone_into(&mut asked.network);
        return Ok(asked);
    }
    for field in mount::fields(text)? {
        let (key, value) = field.split_once('=').ok_or_else(|| wrong("invalid field {}", &field))?;
        match &*key.to_ascii_lowercase() {
            "name" => value.clone_into(&mut asked.network),
            "alias" => asked.aliases.push(alias(value)?),
            "ip" => asked.ip = Some(ip(value, false)?),
            "ip6" => asked.ip6 = Some(ip(value, true)?),
            "mac-address" => asked.mac = Some(mac(value)?),
            _ => return Err(wrong("invalid field key {}: name, alias, ip, ip6 or mac-address", key)),
        }
    }
    if asked.network.is_empty() {
        return Err(bad("network name/id is not specified"));
    }
    Ok(asked)
}

/// Whether this can stand in a hosts file as one name.
pub fn is_known_as(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len()) && is_word(name) && !name.contains(['#', ':'])
}

/// Whether there is no white space, nor anything that cannot be seen.
fn is_word(text: &str) -> bool {
    !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

/// Reads `--network-alias`.
pub fn alias(text: &str) -> Result<String> {
    if is_known_as(text) { Ok(text.to_owned()) } else { Err(wrong("invalid network alias '{}'", text)) }
}

/// Reads `--ip` or `--ip6`.
pub fn ip(text: &str, is_six: bool) -> Result<String> {
    let read = port::address(text).filter(|ip| ip.contains(':') == is_six && !text.starts_with('['));
    read.ok_or_else(|| wrong(if is_six { "invalid IPv6 address: {}" } else { "invalid IPv4 address: {}" }, text))
}

/// Reads `--mac-address`, `02:42:ac:11:00:02` or with dashes: an address that one link can have.
pub fn mac(text: &str) -> Result<String> {
    let mut lower = String::new();
    for c in text.trim().chars() {
        lower.push(if c == '-' { ':' } else { c.to_ascii_lowercase() });
    }
    let is_right = |(at, byte): (usize, u8)| if at % 3 == 2 { byte == b':' } else { byte.is_ascii_hexdigit() };
    if lower.len() != MAC_BYTES || !lower.bytes().enumerate().all(is_right) {
        return Err(wrong("{} is not a valid mac address", text));
    }
    // The lowest bit of the first byte is set in addresses of groups.
    if b"13579bdf".contains(&lower.as_bytes()[1]) || lower == "00:00:00:00:00:00" {
        return Err(wrong("{} is not a valid mac address for one container: it means many, or none", text));
    }
    Ok(lower)
}

/// Reads `--add-host`, `name:address` or `name=address`; the address is left as typed, without brackets.
pub fn extra_host(text: &str) -> Result<String> {
    let (name, ip) = text.split_once('=').or_else(|| text.split_once(':')).unwrap_or_default();
    if !is_known_as(name) {
        return Err(wrong("bad format for add-host: \"{}\"", text));
    }
    let bare = ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']')).unwrap_or(ip);
    if bare != "host-gateway" && port::address(bare).is_none() {
        return Err(wrong("invalid IP address in add-host: \"{}\"", ip));
    }
    Ok([name, ":", bare].concat())
}

/// Reads `--dns`.
pub fn dns(text: &str) -> Result<String> {
    let read = port::address(text).filter(|_| !text.starts_with('['));
    read.ok_or_else(|| wrong("IP address is not correctly formatted: {}", text))
}

/// Reads `--dns-search`; `.` is kept, it means that there is none.
pub fn dns_search(text: &str) -> Result<String> {
    let domain = text.trim_matches(' ');
    let is_label = |label: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        !label.is_empty() && label.bytes().all(fits) && !label.starts_with('-') && !label.ends_with('-')
    };
    let is_domain = domain.strip_suffix('.').unwrap_or(domain).split('.').all(is_label);
    if domain == "."
        || domain.len() <= NAME_BYTES_MAX && is_domain && domain.contains(|c: char| c.is_ascii_alphabetic())
    {
        return Ok(domain.to_owned());
    }
    Err(wrong("invalid domain: {}", text))
}

/// Reads `--dns-option`: one word.
pub fn dns_option(text: &str) -> Result<String> {
    if text.is_empty() || !is_word(text) {
        return Err(bad("it is not an option of resolv.conf"));
    }
    Ok(text.to_owned())
}

/// Reads `--link`: a container and what it is called, by default the same.
pub fn link(text: &str) -> Result<(&str, &str)> {
    let (name, alias) = text.split_once(':').unwrap_or((text, text));
    let alias = alias.strip_prefix('/').unwrap_or(alias);
    if text.is_empty() {
        return Err(bad("empty string specified for links"));
    }
    if name.is_empty() || !is_known_as(alias) {
        return Err(wrong("bad format for links: {}", text));
    }
    Ok((name, alias))
}

#[cfg(test)]
mod tests {
    use super::super::tests::text;
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    type Read = fn(&str) -> Result<String>;

    fn shown(typed: &str) -> Result<String> {
        let read = endpoint(typed)?;
        let all = [Some(read.network), Some(read.aliases.join("+")), read.ip, read.ip6, read.mac];
        Ok(all.map(Option::unwrap_or_default).join(" ").trim_end().to_owned())
    }

    #[test]
    fn what_is_taken() {
        let table: [(Read, &str, &str); 28] = [
            (shown, "foo", "foo"),
            (shown, "container:a", "container:a"),
            (shown, "name=foo", "foo"),
            (shown, "NAME=Foo,alias=a,alias=b", "Foo a+b"),
            (
                shown,
                "name=foo,ip=10.0.0.9,ip6=FD00::9,mac-address=02-42-AC-11-00-02",
                "foo  10.0.0.9 fd00::9 02:42:ac:11:00:02",
            ),
            (shown, "\"name=foo\",alias=x", "foo x"),
            (extra_host, "a:1.2.3.4", "a:1.2.3.4"),
            (extra_host, "a=1.2.3.4", "a:1.2.3.4"),
            (extra_host, "a:::1", "a:::1"),
            (extra_host, "a=::1", "a:::1"),
            (extra_host, "a:[::1]", "a:::1"),
            (extra_host, "a=[0:0::1]", "a:0:0::1"),
            (extra_host, "hg:host-gateway", "hg:host-gateway"),
            (extra_host, "a_b.c=127.0.0.1", "a_b.c:127.0.0.1"),
            (dns, "9.9.9.9", "9.9.9.9"),
            (dns, "2620:FE::FE", "2620:fe::fe"),
            (dns_search, "ex.com", "ex.com"),
            (dns_search, "ex.com.", "ex.com."),
            (dns_search, " local ", "local"),
            (dns_search, ".", "."),
            (dns_search, "a_b-c.d", "a_b-c.d"),
            (dns_option, "ndots:2", "ndots:2"),
            (mac, "02:42:AC:11:00:02", "02:42:ac:11:00:02"),
            (mac, " 92:d0:c6:0a:29:33", "92:d0:c6:0a:29:33"),
            (|text| ip(text, false), "10.0.0.1", "10.0.0.1"),
            (|text| ip(text, true), "fd00:0::1", "fd00::1"),
            (|text| link(text).map(|(name, alias)| [name, ">", alias].concat()), "db", "db>db"),
            (|text| link(text).map(|(name, alias)| [name, ">", alias].concat()), "/db:/d", "/db>d"),
        ];
        for (read, typed, want) in table {
            assert_eq!(text(read(typed)), format!("{want:?}"), "{typed}");
        }
    }

    #[test]
    fn what_is_refused() {
        let table: [(Read, &[&str], &str); 12] = [
            (shown, &["alias=a", "name=,alias=x"], "network name/id is not specified"),
            (shown, &["name=a,gw-priority=1", "a=b", "=", "name=a,=x"], "invalid field key "),
            (shown, &["name=a,b", "name=a,"], "invalid field"),
            (shown, &["name=a,alias=", "name=a,alias=x y"], "invalid network alias '"),
            (shown, &["name=a,ip=::1", "name=a,ip=x", "name=a,ip="], "invalid IPv4 address: "),
            (shown, &["name=a,ip6=1.2.3.4", "name=a,ip6=[::1]", "name=a,ip6=::ffff:1.2.3.4"], "invalid IPv6 address: "),
            (mac, &["", "x", "02:42:ac:11:00", "02:42:ac:11:00:0g", "0242ac110002", "02.42.ac.11.00.02"], ""),
            (mac, &["01:00:5e:00:00:01", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"], ""),
            (extra_host, &["", "a", ":1.2.3.4", "=1.2.3.4", "a b=1.2.3.4", "a\n=1.2.3.4", "::1=1", "#=1.1.1.1"], "bad"),
            (extra_host, &["a:", "a:x", "a:1.2.3", "a:1.2.3.4 b", "a:[::1", "a:1.2.3.4\n"], "invalid IP address"),
            (dns, &["", "x", "1.2.3", "[::1]", "1.1.1.1 ", "9.9.9.9\noptions x", "::1%lo"], "IP address is not"),
            (dns_search, &["", "..", "a..b", "-a", "a-", "a b", "a\nb", ".a", "1.2", "a/b"], "invalid domain: "),
        ];
        for (read, all, why) in table {
            for typed in all {
                let error = read(typed).unwrap_err().to_string();
                assert!(error.starts_with(why) && !error.contains('\n'), "{typed}: {error}");
                assert!(!why.is_empty() || error.contains(" is not a valid mac address"), "{typed}: {error}");
            }
        }
        for typed in ["", ":", "a:", ":a", "a:b:c", "a:b c", "a:b\n", "a b"] {
            assert!(link(typed).is_err(), "{typed}");
        }
        for typed in ["", "a b", "a\nb"] {
            assert!(dns_option(typed).is_err(), "{typed}");
        }
        assert!(alias(&"x".repeat(256)).is_err() && dns_search(&"x".repeat(256)).is_err());
    }
}
