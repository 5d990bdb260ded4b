//! IP addresses as text. The standard library's way from text and back is five times as long: it also reads ports and
//! zones, and writes into columns.

use super::text;
use alloc::format;
use alloc::string::String;
use core::net::{IpAddr, Ipv4Addr};

/// Reads an address as it is usually written: `192.168.10.1`, `fd00::1`, `::ffff:10.0.0.1`.
pub fn read(text: &str) -> Option<IpAddr> {
    if let Some(four) = four(text) {
        return Some(IpAddr::V4(four.into()));
    }
    let mut groups = [0; 8];
    match text::cut(text, "::") {
        None if fill(text, &mut groups)? < 8 => return None,
        None => {}
        Some((head, tail)) => {
            let mut end = [0; 8];
            let left = 8 - fill(head, &mut groups)?;
            let count = fill(tail, &mut end)?;
            // What stands for zeros stands for one group at least, and an IPv4 address only at the end.
            if count >= left || head.contains('.') {
                return None;
            }
            groups[8 - count..].copy_from_slice(&end[..count]);
        }
    }
    Some(IpAddr::V6(groups.into()))
}

/// `1.2.3.4`; zeros in front of a number would be octal for some programs.
fn four(text: &str) -> Option<[u8; 4]> {
    let mut bytes = [0; 4];
    let mut count = 0;
    for part in text.split('.') {
        if !part.bytes().all(|b| b.is_ascii_digit()) || part.len() > 1 && part.starts_with('0') {
            return None;
        }
        *bytes.get_mut(count)? = part.parse().ok()?;
        count += 1;
    }
    (count == 4).then_some(bytes)
}

/// Reads groups of an IPv6 address, of which the last two may be an IPv4 one. Returns how many there are.
fn fill(text: &str, groups: &mut [u16; 8]) -> Option<usize> {
    let mut count = 0;
    let mut is_over = text.is_empty();
    if is_over {
        return Some(0);
    }
    for part in text.split(':') {
        if is_over {
            return None;
        }
        if let Some([a, b, c, d]) = four(part) {
            *groups.get_mut(count)? = u16::from_be_bytes([a, b]);
            *groups.get_mut(count + 1)? = u16::from_be_bytes([c, d]);
            (count, is_over) = (count + 2, true);
            continue;
        }
        if part.len() > 4 || part.starts_with('+') {
            return None;
        }
        *groups.get_mut(count)? = u16::from_str_radix(part, 16).ok()?;
        count += 1;
    }
    Some(count)
}

/// The address as it is always written: RFC 5952.
pub fn text(ip: IpAddr) -> String {
    let v6 = match ip {
        IpAddr::V4(v4) => return dotted(v4),
        IpAddr::V6(v6) => v6,
    };
    if let Some(v4) = v6.to_ipv4_mapped() {
        return ["::ffff:", &dotted(v4)].concat();
    }
    let groups = v6.segments();
    // The longest row of zeros, of two at least.
    let (mut start, mut zeros, mut length) = (0, 8, 1);
    for (at, group) in groups.iter().enumerate() {
        if *group != 0 {
            start = at + 1;
        } else if at + 1 - start > length {
            (zeros, length) = (start, at + 1 - start);
        }
    }
    let mut text = String::new();
    for (at, group) in groups.iter().enumerate() {
        if at == zeros {
            text.push_str("::");
        } else if at < zeros || at >= zeros + length {
            text.push_str(if at == 0 || at == zeros + length { "" } else { ":" });
            let digits = format!("{:x}", u32::from(*group));
            text.push_str(&digits);
        }
    }
    text
}

fn dotted(v4: Ipv4Addr) -> String {
    let [a, b, c, d] = v4.octets();
    format!("{a}.{b}.{c}.{d}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    /// The standard library's.
    fn like(typed: &str) {
        let wanted: Option<IpAddr> = typed.parse().ok();
        assert_eq!(read(typed), wanted, "{typed}");
        if let Some(ip) = wanted {
            assert_eq!(text(ip), ip.to_string());
        }
    }

    #[test]
    fn as_the_standard_library() {
        for typed in [
            "",
            "1",
            "1.2.3",
            "1.2.3.4",
            "01.2.3.4",
            "1.2.3.04",
            "0.0.0.0",
            "256.1.1.1",
            "1.2.3.4.",
            "1..2.3",
            "+1.2.3.4",
            "255.255.255.255",
            "::",
            "::1",
            "1::",
            ":",
            ":::",
            "1:::2",
            "1::2::3",
            "1:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7",
            "1:2:3:4:5:6:7::",
            "::2:3:4:5:6:7:8",
            "1:2:3:4::5:6:7:8",
            "1:2:3:4:5:6:7:8:9",
            "::ffff:1.2.3.4",
            "::1.2.3.4",
            "1.2.3.4::",
            "::1.2.3.4:5",
            "1:2:3:4:5:6:1.2.3.4",
            "1:2:3:4:5:6:7:1.2.3.4",
            "fe80::1%eth0",
            "FD00::Ab",
            "g::",
            "12345::",
            "+1::",
            "1:",
            ":1",
            " ::",
            "0:0:1:0:0:0:1:1",
            "1:0:0:2:0:0:3:4",
            "::1:0:0",
            "0:1:0:1:0:1:0:1",
        ] {
            like(typed);
        }
        let mut seed = 1_u64;
        let mut next = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % below
        };
        for _ in 0..20_000 {
            let mut groups = [0_u16; 8];
            groups.fill_with(|| if next(2) == 0 { 0 } else { next(0x1_0000) as u16 >> next(16) });
            like(&IpAddr::V6(groups.into()).to_string());
            let typed: String = (0..next(12)).map(|_| char::from(b"01fA.::2"[next(8) as usize])).collect();
            like(&typed);
        }
    }
}
