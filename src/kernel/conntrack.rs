//! What the kernel remembers of connections (nf_conntrack), over nfnetlink. The numbers are those of
//! linux/netfilter/nfnetlink_conntrack.h.

use super::netlink::{Message, Socket, attribute};
use alloc::vec::Vec;
use linux_raw_sys::netlink as raw;

const SUBSYSTEM: u16 = 1;
const GET: u16 = 1;
const DELETE: u16 = 2;
/// CTA_TUPLE_ORIG: where the first packet came from and went to. Of that CTA_TUPLE_PROTO, and its parts.
const FIRST_PACKET: u16 = 1;
const PROTOCOL: u16 = 2;
const NUMBER: u16 = 1;
const DESTINATION_PORT: u16 = 3;
const UDP: &[u8] = &[17];

/// Forgets where packets of udp for these ports were led to: otherwise a client that goes on with one port of its own is
/// led there for ever. `socket` is one of the packet filter. What cannot be forgotten ends with the client's silence.
pub fn forget_udp(socket: &Socket, ports: &[u16]) {
    for family in [2, 10] {
        let header = [family, 0, 0, 0];
        let mut old: Vec<Vec<u8>> = Vec::new();
        let mut each = |body: &[u8]| {
            let tuple = attribute(body.get(4..).unwrap_or_default(), FIRST_PACKET).unwrap_or_default();
            let protocol = attribute(tuple, PROTOCOL).unwrap_or_default();
            let port =
                attribute(protocol, DESTINATION_PORT).and_then(|port| port.try_into().ok()).map(u16::from_be_bytes);
            if attribute(protocol, NUMBER) == Some(UDP) && port.is_some_and(|port| ports.contains(&port)) {
                old.push(tuple.to_vec());
            }
        };
        if socket.dump(&Message::new(SUBSYSTEM << 8 | GET, raw::NLM_F_DUMP, &header), &mut each).is_err() {
            return; // a kernel that cannot tell
        }
        for tuple in &old {
            let mut message = Message::new(SUBSYSTEM << 8 | DELETE, 0, &header);
            message.nest(FIRST_PACKET, &mut |parts| parts.raw(tuple));
            let _ = socket.ask(message); // it may have ended by itself
        }
    }
}
