//! Ranges of IP addresses: `192.168.10.0/24`.

use super::ip;
use alloc::format;
use alloc::string::String;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The addresses whose first `prefix` bits are those of `address`.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub struct Subnet {
    /// One of them, as it was written.
    pub address: IpAddr,
    /// How many bits they share.
    pub prefix: u8,
}

/// An address as a number, IPv4 ones in the highest bits.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)) << 96,
        IpAddr::V6(v6) => u128::from(v6),
    }
}

impl Subnet {
    /// Reads `ADDRESS/BITS`.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let (address, prefix) = (ip::read(address)?, prefix.parse::<u8>().ok()?);
        (prefix <= if address.is_ipv4() { 32 } else { 128 }).then_some(Self { address, prefix })
    }

    /// Its own text again.
    pub fn text(&self) -> String {
        format!("{}/{}", ip::text(self.address), self.prefix)
    }

    fn mask(&self) -> u128 {
        u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0)
    }

    /// Whether it has this address.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4() && (bits(self.address) ^ bits(address)) & self.mask() == 0
    }

    /// Whether they share addresses.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.address) || other.contains(self.address)
    }

    /// The address at a position; 0 is the first one, which is the network's own.
    pub fn nth(&self, at: u64) -> Option<IpAddr> {
        let width = if self.address.is_ipv4() { 32 } else { 128 };
        let left = width - u32::from(self.prefix);
        if left < 64 && at >> left != 0 {
            return None;
        }
        let first = bits(self.address) & self.mask();
        Some(if self.address.is_ipv4() {
            IpAddr::V4(Ipv4Addr::from((first >> 96) as u32 | at as u32))
        } else {
            IpAddr::V6(Ipv6Addr::from(first | u128::from(at)))
        })
    }

    /// The position of one of its addresses; those beyond 64 bits have the position of others.
    pub fn position(&self, address: IpAddr) -> u64 {
        let inside = bits(address) & !self.mask();
        (if address.is_ipv4() { inside >> 96 } else { inside }) as u64
    }

    /// The position of its last address, at most that of the 64 last bits.
    pub fn last(&self) -> u64 {
        let left = if self.address.is_ipv4() { 32 } else { 128 } - u32::from(self.prefix);
        u64::MAX.checked_shr(64u32.saturating_sub(left)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Subnet {
        Subnet::parse(text).unwrap()
    }

    #[test]
    fn addresses_have_positions() {
        let small = net("192.168.10.1/24");
        assert_eq!(small.nth(0), Some("192.168.10.0".parse().unwrap()));
        assert_eq!(small.nth(255), Some("192.168.10.255".parse().unwrap()));
        assert_eq!(small.nth(256), None);
        assert_eq!(small.position("192.168.10.77".parse().unwrap()), 77);
        assert_eq!((small.last(), net("10.0.0.1/32").last(), net("fd00::/64").last()), (255, 0, u64::MAX));
        assert_eq!((net("0.0.0.0/0").last(), net("::/0").last()), (u64::from(u32::MAX), u64::MAX));
        assert_eq!(net("fd00::/64").nth(258), Some("fd00::102".parse().unwrap()));
        assert_eq!(net("fd00::/124").nth(16), None);
        assert_eq!(net("fd00::/64").position("fd00::1:2".parse().unwrap()), 65538);
    }

    #[test]
    fn ranges_overlap_or_not() {
        assert!(net("10.0.0.0/8").overlaps(&net("10.1.0.0/16")) && net("10.1.0.0/16").overlaps(&net("10.0.0.0/8")));
        assert!(!net("10.0.0.0/9").overlaps(&net("10.128.0.0/9")));
        assert!(!net("0.0.0.0/0").overlaps(&net("::/0")) && net("0.0.0.0/0").overlaps(&net("9.9.9.9/32")));
        assert!(net("fd00::/64").contains("fd00::9".parse().unwrap()));
        for wrong in ["", "1.2.3.4", "1.2.3/8", "1.2.3.4/33", "::/129", "1.2.3.4/-1", "a/8", "1.2.3.4/8/9"] {
            assert_eq!(Subnet::parse(wrong), None, "{wrong}");
        }
    }
}
