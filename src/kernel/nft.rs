//! The packet filter nf_tables over nfnetlink: tables, chains and rules in one transaction. The numbers are those of
//! linux/netfilter/nf_tables.h, nfnetlink.h and netfilter.h; what a rule means is described in nft(8).

use super::netlink::{Message, Socket, attribute};
use crate::error::Result;
use alloc::vec::Vec;
use rustix::io::Errno;

const NETLINK_NETFILTER: u32 = 12;
const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NEW_TABLE: u16 = 0;
const GET_TABLE: u16 = 1;
const DELETE_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const GET_CHAIN: u16 = 4;
const NEW_RULE: u16 = 6;
const GET_RULE: u16 = 7;
const DELETE_RULE: u16 = 8;
const NLM_F_DUMP: u32 = 0x300;
const NLM_F_CREATE: u32 = 0x400;
const NLM_F_APPEND: u32 = 0x800;
/// NFT_META_MARK, NFT_META_OIFKIND.
const MARK: u32 = 3;
const OUTPUT_KIND: u32 = 27;
/// The bit of a packet's mark that says: a network of ours lets it pass.
const APPROVED: u32 = 1 << 27;
/// Registers of a rule; each has room for an address.
const FIRST: u32 = 1;
const SECOND: u32 = 2;

/// Both versions of IP in one table (their address translation: kernel 5.2).
pub const INET: u8 = 1;
/// The version of a packet, and of a table for one of them.
pub const IPV4: u8 = 2;
/// See [`IPV4`].
pub const IPV6: u8 = 10;
/// The table belongs to the socket that makes it and goes with it (kernel 5.12).
pub const OWNER: u32 = 2;

/// Where the kernel calls a chain.
#[derive(Clone, Copy)]
pub enum Hook {
    /// Packets that come in can get another destination.
    Prerouting,
    /// Packets of the host itself can get another destination.
    Output,
    /// Packets that leave can get another source.
    Postrouting,
    /// Packets that pass through can be dropped, before others' tables see them.
    Forward,
    /// Packets that come in can be dropped, before anything else.
    Raw,
}

impl Hook {
    /// The name of our chain there, its type, its hook, and its priority among the chains there.
    const fn details(self) -> (&'static str, &'static str, u32, i32) {
        match self {
            Self::Prerouting => ("prerouting", "nat", 0, -100),
            Self::Output => ("output", "nat", 3, -100),
            Self::Postrouting => ("postrouting", "nat", 4, 100),
            Self::Forward => ("forward", "filter", 2, -1),
            Self::Raw => ("raw", "filter", 0, -300),
        }
    }
}

/// Changes of one table that happen together or not at all.
pub struct Batch<'a> {
    messages: Vec<Message>,
    family: u8,
    table: &'a str,
}

/// Conditions that must all hold, and then what happens.
pub struct Rule(Message);

/// What happens to a packet.
#[derive(Clone, Copy)]
pub enum Verdict {
    /// It is lost.
    Drop,
    /// This table has nothing against it.
    Accept,
}

/// struct nfgenmsg: the family, a version, and in the frame of a batch the subsystem, in the network's order.
const fn header(family: u8, resource: u16) -> [u8; 4] {
    let [high, low] = resource.to_be_bytes();
    [family, 0, high, low]
}

/// A conversation about the packet filter of the current network namespace.
pub fn open() -> Result<Socket> {
    Socket::open(NETLINK_NETFILTER)
}

/// What our rules need of a kernel. A part that is missing makes a transaction fail with ENOENT.
pub const MODULES: &str = "nf_tables nft_chain_nat nft_masq nft_nat nft_ct nft_fib_inet";

impl<'a> Batch<'a> {
    /// Changes of this table.
    pub const fn new(family: u8, table: &'a str) -> Self {
        Self { messages: Vec::new(), family, table }
    }

    fn add(&mut self, kind: u16, flags: u32, body: &dyn Fn(&mut Message)) {
        let mut message = Message::new(SUBSYSTEM << 8 | kind, flags, &header(self.family, 0));
        message.put_str(1, self.table);
        body(&mut message);
        self.messages.push(message);
    }

    /// Makes the table; one that is there already is fine. `flags`: 0 or [`OWNER`].
    pub fn make_table(&mut self, flags: u32) {
        self.add(NEW_TABLE, NLM_F_CREATE, &|message| message.put_be32(2, flags));
    }

    /// Removes the table with all that is in it.
    pub fn remove_table(&mut self) {
        self.add(DELETE_TABLE, 0, &|_| {});
    }

    /// Makes the chain of this place.
    pub fn make_chain(&mut self, hook: Hook) {
        let (name, of_type, number, priority) = hook.details();
        self.add(NEW_CHAIN, NLM_F_CREATE, &|message| {
            message.put_str(3, name);
            message.nest(4, &mut |hook| {
                hook.put_be32(1, number);
                hook.put_be32(2, priority as u32);
            });
            message.put_str(7, of_type);
        });
    }

    /// Adds a rule at the end of the chain of this place.
    pub fn add_rule(&mut self, hook: Hook, rule: &Rule) {
        self.add(NEW_RULE, NLM_F_CREATE | NLM_F_APPEND, &|message| {
            message.put_str(2, hook.details().0);
            message.nest(4, &mut |list| list.raw(rule.0.body()));
        });
    }

    /// Puts a rule before all others of a chain that somebody else made. `comment` is how it is found again.
    pub fn insert_rule(&mut self, chain: &str, rule: &Rule, comment: &str) {
        self.add(NEW_RULE, NLM_F_CREATE, &|message| {
            message.put_str(2, chain);
            message.nest(4, &mut |list| list.raw(rule.0.body()));
            message.put(7, &user_data(comment));
        });
    }

    /// Removes one rule.
    pub fn remove_rule(&mut self, chain: &str, handle: u64) {
        self.add(DELETE_RULE, 0, &|message| {
            message.put_str(2, chain);
            message.put(3, &handle.to_be_bytes());
        });
    }

    /// Does it all.
    pub fn commit(mut self, socket: &Socket) -> core::result::Result<(), Errno> {
        let frame = |kind| Message::new(kind, 0, &header(0, SUBSYSTEM));
        // One answer is enough, and thousands would not fit: refusals are told in any case.
        let Some(last) = self.messages.last_mut() else { return Ok(()) };
        last.expect_answer();
        self.messages.insert(0, frame(BATCH_BEGIN));
        self.messages.push(frame(BATCH_END));
        socket.say(&self.messages)
    }
}

/// Whether there is such a chain, or, without its name, such a table. A transaction that fails would cost the kernel
/// milliseconds.
pub fn has(socket: &Socket, family: u8, table: &str, chain: &str) -> bool {
    let kind = if chain.is_empty() { GET_TABLE } else { GET_CHAIN };
    let mut message = Message::new(SUBSYSTEM << 8 | kind, 0, &header(family, 0));
    message.put_str(1, table);
    if !chain.is_empty() {
        message.put_str(3, chain);
    }
    // Not [`Socket::ask`], which looks whether a module is on its way when something is not there.
    message.expect_answer();
    socket.exchange(&message, &mut |_| {}).is_ok()
}

/// A comment as nft(8) keeps it with a rule: kind 0, length, text with NUL.
fn user_data(comment: &str) -> Vec<u8> {
    let mut data = Vec::from([0, comment.len() as u8 + 1]);
    data.extend_from_slice(comment.as_bytes());
    data.push(0);
    data
}

/// The handles of a chain's rules with this comment.
pub fn rules(
    socket: &Socket,
    family: u8,
    table: &str,
    chain: &str,
    comment: &str,
) -> core::result::Result<Vec<u64>, Errno> {
    let mut message = Message::new(SUBSYSTEM << 8 | GET_RULE, NLM_F_DUMP, &header(family, 0));
    message.put_str(1, table);
    message.put_str(2, chain);
    let (mut handles, data) = (Vec::new(), user_data(comment));
    let mut each = |body: &[u8]| {
        let attributes = body.get(4..).unwrap_or_default();
        let handle = attribute(attributes, 3).and_then(|value| value.try_into().ok());
        if let (Some(handle), true) = (handle, attribute(attributes, 7) == Some(&data)) {
            handles.push(u64::from_be_bytes(handle));
        }
    };
    socket.dump(&message, &mut each)?;
    Ok(handles)
}

impl Default for Rule {
    fn default() -> Self {
        Self(Message::new(0, 0, &[]))
    }
}

impl Rule {
    /// An expression: its name, its numbers as the attributes from 1 on, and what else it has.
    fn add(mut self, name: &str, numbers: &[u32], more: &dyn Fn(&mut Message)) -> Self {
        self.0.nest(1, &mut |element| {
            element.put_str(1, name);
            element.nest(2, &mut |data| {
                for (at, number) in numbers.iter().enumerate() {
                    data.put_be32(at as u16 + 1, *number);
                }
                more(data);
            });
        });
        self
    }

    fn load(self, name: &str, numbers: &[u32]) -> Self {
        self.add(name, numbers, &|_| {})
    }

    fn compare(self, is_not: bool, value: &[u8]) -> Self {
        self.add("cmp", &[FIRST, u32::from(is_not)], &|cmp| cmp.nest(3, &mut |data| data.put(1, value)))
    }

    fn immediate(self, register: u32, value: &[u8]) -> Self {
        self.add("immediate", &[register], &|immediate| immediate.nest(2, &mut |data| data.put(1, value)))
    }

    fn mask_bits(self, bits: u32) -> Self {
        self.mask(&bits.to_ne_bytes())
    }

    /// Only these bits of what was loaded.
    fn mask(self, bits: &[u8]) -> Self {
        self.add("bitwise", &[FIRST, FIRST, bits.len() as u32], &|bitwise| {
            bitwise.nest(4, &mut |data| data.put(1, bits));
            bitwise.nest(5, &mut |data| data.put(1, &[0; 16][..bits.len()]));
        })
    }

    fn link(self, key: u32, is_not: bool, name: &str) -> Self {
        let mut padded = [0; 16];
        padded[..name.len()].copy_from_slice(name.as_bytes());
        self.load("meta", &[FIRST, key]).compare(is_not, &padded)
    }

    /// It comes in through this link; or it does not.
    #[must_use]
    pub fn comes_through(self, link: &str, is_not: bool) -> Self {
        self.link(6, is_not, link)
    }

    /// It goes out through this link; or it does not.
    #[must_use]
    pub fn goes_through(self, link: &str, is_not: bool) -> Self {
        self.link(7, is_not, link)
    }

    /// It goes out through a link of this kind: `bridge`. Links of real hardware have none.
    #[must_use]
    pub fn goes_through_kind(self, kind: &str) -> Self {
        self.link(OUTPUT_KIND, false, kind)
    }

    /// It was marked by [`Rule::mark`].
    #[must_use]
    pub fn is_marked(self) -> Self {
        self.load("meta", &[FIRST, MARK]).mask_bits(APPROVED).compare(false, &APPROVED.to_ne_bytes())
    }

    /// Marks it for tables of others.
    #[must_use]
    pub fn mark(self) -> Self {
        let loaded = self.load("meta", &[FIRST, MARK]);
        let set = loaded.add("bitwise", &[FIRST, FIRST, 4], &|bitwise| {
            bitwise.nest(4, &mut |data| data.put(1, &(!APPROVED).to_ne_bytes()));
            bitwise.nest(5, &mut |data| data.put(1, &APPROVED.to_ne_bytes()));
        });
        // The attributes of "meta" are the target register, the key, the source register.
        set.add("meta", &[], &|meta| {
            meta.put_be32(2, MARK);
            meta.put_be32(3, FIRST);
        })
    }

    /// Its version of IP.
    #[must_use]
    pub fn version(self, family: u8) -> Self {
        self.load("meta", &[FIRST, 15]).compare(false, &[family])
    }

    /// The protocol above IP by its number (tcp 6, udp 17, sctp 132), and its destination port.
    #[must_use]
    pub fn port(self, protocol: u8, port: u16) -> Self {
        let protocol = self.load("meta", &[FIRST, 16]).compare(false, &[protocol]);
        protocol.load("payload", &[FIRST, 2, 2, 2]).compare(false, &port.to_be_bytes())
    }

    /// The first `prefix` bits of its source are (not) those of this address, of 4 or 16 bytes; say its version first.
    #[must_use]
    pub fn source(self, address: &[u8], prefix: u8, is_not: bool) -> Self {
        let offset = if address.len() == 4 { 12 } else { 8 };
        self.address(offset, address, prefix, is_not)
    }

    /// The same of its destination.
    #[must_use]
    pub fn destination(self, address: &[u8], prefix: u8, is_not: bool) -> Self {
        let offset = if address.len() == 4 { 16 } else { 24 };
        self.address(offset, address, prefix, is_not)
    }

    fn address(self, offset: u32, address: &[u8], prefix: u8, is_not: bool) -> Self {
        let loaded = self.load("payload", &[FIRST, 1, offset, address.len() as u32]);
        let (mut bits, mut wanted) = ([0; 16], [0; 16]);
        for (at, byte) in address.iter().enumerate() {
            let left = prefix.saturating_sub(at as u8 * 8).min(8);
            bits[at] = !(0xff_u32 >> left) as u8;
            wanted[at] = byte & bits[at];
        }
        loaded.mask(&bits[..address.len()]).compare(is_not, &wanted[..address.len()])
    }

    /// Its destination is an address of this host.
    #[must_use]
    pub fn is_for_this_host(self) -> Self {
        const ADDRESS_TYPE: u32 = 3;
        const OF_DESTINATION: u32 = 2;
        const LOCAL: u32 = 2;
        self.load("fib", &[FIRST, ADDRESS_TYPE, OF_DESTINATION]).compare(false, &LOCAL.to_ne_bytes())
    }

    /// It belongs to a connection that is known, or to one whose destination was changed.
    #[must_use]
    pub fn is_of_a_connection(self, is_published: bool) -> Self {
        // ct state: established and related; ct status: IPS_DST_NAT.
        let (key, bits) = if is_published { (2, 32_u32) } else { (0, 2 | 4) };
        self.load("ct", &[FIRST, key]).mask(&bits.to_ne_bytes()).compare(true, &[0; 4])
    }

    /// The end: its destination becomes this address and port.
    #[must_use]
    pub fn redirect(self, address: &[u8], port: u16) -> Self {
        const DESTINATION: u32 = 1;
        let family = u32::from(if address.len() == 4 { IPV4 } else { IPV6 });
        let loaded = self.immediate(FIRST, address).immediate(SECOND, &port.to_be_bytes());
        loaded.load("nat", &[DESTINATION, family, FIRST, FIRST, SECOND, SECOND])
    }

    /// The end: its source becomes the address of the link that it leaves through.
    #[must_use]
    pub fn masquerade(self) -> Self {
        self.load("masq", &[])
    }

    /// The end: what happens to it.
    #[must_use]
    pub fn verdict(self, verdict: Verdict) -> Self {
        let code = match verdict {
            Verdict::Drop => 0,
            Verdict::Accept => 1,
        };
        self.add("immediate", &[0], &|immediate| {
            immediate.nest(2, &mut |data| data.nest(2, &mut |verdict| verdict.put_be32(1, code)));
        })
    }
}
