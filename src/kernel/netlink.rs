//! Conversations with the kernel in netlink(7): messages of a fixed header and attributes, each answered by one
//! acknowledgement, or by many messages of a dump.

use crate::error::{Result, Tried};
use crate::kernel::{file, process, time};
use crate::spec::text;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;
use linux_raw_sys::netlink as raw;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::sockopt::set_socket_send_buffer_size_force;
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

/// Bytes of struct nlmsghdr.
const HEADER_BYTES: usize = 16;
/// The kernel makes no longer packets of a dump.
const PACKET_BYTES_MAX: usize = 32 << 10;
/// How long a module may take until it is there.
const LOADING_MS_MAX: i64 = 10_000;
/// The attribute holds attributes.
const NESTED: u16 = 1 << 15;

/// A message that is being put together.
pub struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// `kind` and `flags` of the header (`NLM_F_REQUEST` is always set), then the family's own `header`.
    pub fn new(kind: u16, flags: u32, header: &[u8]) -> Self {
        let mut bytes = vec![0; 4];
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&((flags | raw::NLM_F_REQUEST) as u16).to_ne_bytes());
        bytes.extend_from_slice(&[0; 8]); // sequence number, port
        bytes.extend_from_slice(header);
        let mut message = Self { bytes };
        message.end(0);
        message
    }

    /// Adds an attribute.
    pub fn put(&mut self, kind: u16, value: &[u8]) {
        let at = self.begin(kind);
        self.bytes.extend_from_slice(value);
        self.end(at);
    }

    /// Adds an attribute of 32 bits, in the machine's order.
    pub fn put_u32(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_ne_bytes());
    }

    /// Adds an attribute of 32 bits, in the network's order.
    pub fn put_be32(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_be_bytes());
    }

    /// Adds a text with its NUL.
    pub fn put_str(&mut self, kind: u16, value: &str) {
        let at = self.begin(kind);
        self.bytes.extend_from_slice(value.as_bytes());
        self.bytes.push(0);
        self.end(at);
    }

    /// Adds an attribute of attributes.
    pub fn nest(&mut self, kind: u16, body: &mut dyn FnMut(&mut Self)) {
        let at = self.begin(kind | NESTED);
        body(self);
        self.end(at);
    }

    /// Adds bytes that are no attribute: the header of a message in an attribute.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.end(0);
    }

    /// What follows the first header: the attributes of a message that only collects them.
    pub fn body(&self) -> &[u8] {
        &self.bytes[HEADER_BYTES..]
    }

    /// Asks for an acknowledgement.
    pub fn expect_answer(&mut self) {
        self.bytes[6] |= raw::NLM_F_ACK as u8;
    }

    fn begin(&mut self, kind: u16) -> usize {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        at
    }

    /// Writes the length of what began at `at`, and that of the whole message, and fills up to four bytes.
    fn end(&mut self, at: usize) {
        let length = self.bytes.len() - at;
        if at > 0 {
            self.bytes[at..at + 2].copy_from_slice(&(length as u16).to_ne_bytes());
        }
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        let all = self.bytes.len() as u32;
        self.bytes[..4].copy_from_slice(&all.to_ne_bytes());
    }
}

/// Whether any module of the kernel's is just being loaded. proc_modules(5)
fn is_loading() -> bool {
    file::read_text("/proc/modules").is_ok_and(|all| text::has(&all, " Loading "))
}

/// Gets the kind of a message and what follows its header.
type Hearer<'a> = &'a mut dyn FnMut(u16, &[u8]) -> core::result::Result<(), Errno>;

/// A socket of one netlink family, bound to the network namespace that it was opened in.
pub struct Socket {
    fd: OwnedFd,
    /// Room for a packet of the kernel's.
    room: RefCell<Vec<u8>>,
}

impl Socket {
    /// `family`: 0 for links, addresses and routes (`NETLINK_ROUTE`), 12 for the packet filter (`NETLINK_NETFILTER`).
    pub fn open(family: u32) -> Result<Self> {
        let protocol = core::num::NonZeroU32::new(family).map(Protocol::from_raw);
        let fd = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)
            .tried("open a netlink socket")?;
        Ok(Self { fd, room: RefCell::new(vec![0; PACKET_BYTES_MAX]) })
    }

    /// Says these in one packet, of which one asks for an acknowledgement, and waits for it or for the first refusal.
    pub fn say(&self, messages: &[Message]) -> core::result::Result<(), Errno> {
        let mut packet = Vec::new();
        for message in messages {
            packet.extend_from_slice(&message.bytes);
        }
        if packet.len() > PACKET_BYTES_MAX {
            // What does not fit is refused. Without the right to it the usual size must do.
            let _ = set_socket_send_buffer_size_force(&self.fd, packet.len());
        }
        self.converse(&Message { bytes: packet }, &mut |_| {})
    }

    /// Says a packet, again when the kernel lacks a module for it that is being loaded: it asks modprobe, and busybox's answers
    /// at once when somebody else has begun, as of two containers that start at the same time.
    fn converse(&self, packet: &Message, each: &mut dyn FnMut(&[u8])) -> core::result::Result<(), Errno> {
        let deadline = time::monotonic_ms() + LOADING_MS_MAX;
        let mut is_first = true;
        loop {
            let answer = self.exchange(packet, each);
            if !matches!(answer, Err(Errno::OPNOTSUPP | Errno::NOENT)) {
                return answer;
            }
            // It may be there since we were refused. NOENT is an everyday answer, and what it answers is slow.
            let mut is_new = is_first && answer == Err(Errno::OPNOTSUPP);
            is_first = false;
            while is_loading() && time::monotonic_ms() < deadline {
                process::wait_for(&mut [], 2); // there is no event for that: a poll without descriptors is a timer
                is_new = true;
            }
            if !is_new {
                return answer;
            }
        }
    }

    /// Says a packet once, of which one message asks for an acknowledgement. `each` gets the family's header with the
    /// attributes of what is answered before that.
    pub fn exchange(&self, packet: &Message, each: &mut dyn FnMut(&[u8])) -> core::result::Result<(), Errno> {
        send_all(&self.fd, &packet.bytes)?;
        let mut answer = None;
        while answer.is_none() {
            self.hear(RecvFlags::empty(), &mut |kind, body| {
                if kind == raw::NLMSG_ERROR as u16 {
                    answer = answer.or(Some(error_of(body)));
                } else {
                    each(body);
                }
                Ok(())
            })?;
        }
        let answer = answer.unwrap_or(Ok(()));
        // Other messages of the packet may have been refused, too. The kernel had answered all of them when it took the packet.
        while answer.is_err() && self.hear(RecvFlags::DONTWAIT, &mut |_, _| Ok(())).is_ok() {}
        answer
    }

    /// Says one message that asks for an acknowledgement.
    pub fn ask(&self, message: Message) -> core::result::Result<(), Errno> {
        self.get(message, &mut |_| {})
    }

    /// The same; `each` gets the family's header with the attributes of what is answered.
    pub fn get(&self, mut message: Message, each: &mut dyn FnMut(&[u8])) -> core::result::Result<(), Errno> {
        message.expect_answer();
        self.converse(&message, each)
    }

    /// Asks for all of a kind by a message with NLM_F_DUMP; `each` gets the family's header with the attributes of every one.
    pub fn dump(&self, message: &Message, each: &mut dyn FnMut(&[u8])) -> core::result::Result<(), Errno> {
        send_all(&self.fd, &message.bytes)?;
        let mut is_over = false;
        while !is_over {
            self.hear(RecvFlags::empty(), &mut |kind, body| {
                match u32::from(kind) {
                    raw::NLMSG_DONE => is_over = true,
                    raw::NLMSG_ERROR => return error_of(body),
                    _ => each(body),
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// One packet of the kernel's: `each` message's kind, and what follows its header.
    fn hear(&self, flags: RecvFlags, each: Hearer<'_>) -> core::result::Result<(), Errno> {
        let mut buf = self.room.borrow_mut();
        let got = loop {
            match recv(&self.fd, &mut buf[..], flags) {
                Err(Errno::INTR) => {}
                other => break other?.0,
            }
        };
        let mut rest = &buf[..got];
        while let Some(length) = rest.get(..4).map(|b| u32::from_ne_bytes([b[0], b[1], b[2], b[3]]) as usize) {
            let Some(message) = rest.get(..length).filter(|message| message.len() >= HEADER_BYTES) else { break };
            each(u16::from_ne_bytes([message[4], message[5]]), &message[HEADER_BYTES..])?;
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(())
    }
}

fn send_all(fd: &OwnedFd, packet: &[u8]) -> core::result::Result<(), Errno> {
    loop {
        match send(fd, packet, SendFlags::empty()) {
            Err(Errno::INTR) => {}
            other => return other.map(drop), // netlink takes a packet whole or not at all
        }
    }
}

/// The error of an NLMSG_ERROR; 0 is the acknowledgement.
fn error_of(body: &[u8]) -> core::result::Result<(), Errno> {
    match body.get(..4).map(|b| i32::from_ne_bytes([b[0], b[1], b[2], b[3]])) {
        Some(0) => Ok(()),
        Some(error) => Err(Errno::from_raw_os_error(-error)),
        None => Err(Errno::IO),
    }
}

/// The value of the attribute `kind` among these.
pub fn attribute(mut bytes: &[u8], kind: u16) -> Option<&[u8]> {
    while let [a, b, c, d, ..] = *bytes {
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let value = bytes.get(4..length)?;
        if u16::from_ne_bytes([c, d]) & !NESTED == kind {
            return Some(value);
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_laid_out_as_the_kernel_wants() {
        let mut message = Message::new(16, raw::NLM_F_ACK, &[9; 4]);
        message.put_str(3, "lo");
        message.nest(18, &mut |inner| inner.put_u32(1, 7));
        let length = message.bytes.len();
        assert_eq!(message.bytes[..4], (length as u32).to_ne_bytes());
        assert_eq!(message.bytes[6..8], 5u16.to_ne_bytes());
        let attributes = &message.bytes[HEADER_BYTES + 4..];
        assert_eq!(attribute(attributes, 3), Some(&b"lo\0"[..]));
        let inner = attribute(attributes, 18).unwrap();
        assert_eq!(attribute(inner, 1), Some(&7u32.to_ne_bytes()[..]));
        assert_eq!(attribute(attributes, 4), None);
        assert_eq!(attribute(&[8, 0, 1], 1), None);
        assert_eq!(attribute(&[200, 0, 1, 0], 1), None);
        assert_eq!(attribute(&[0, 0, 2, 0, 1, 1, 1, 1], 1), None);
    }
}
