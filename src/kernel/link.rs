//! Network links over rtnetlink(7).

use crate::error::{Error, Result, Tried};
use linux_raw_sys::netlink as raw;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

/// Index of the loopback link in every network namespace.
pub const LOOPBACK: u32 = 1;
const IFF_UP: u32 = 1;

/// Switches a link of the current network namespace on. The kernel gives `lo` its addresses with that.
pub fn up(index: u32) -> Result<()> {
    // Protocol 0 is NETLINK_ROUTE.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)
        .tried("open a netlink socket")?;
    // struct nlmsghdr (16 bytes), then struct ifinfomsg (16 bytes), netlink(7) and rtnetlink(7).
    let mut message = [0u8; 32];
    let flags = (raw::NLM_F_REQUEST | raw::NLM_F_ACK) as u16;
    message[0..4].copy_from_slice(&32u32.to_ne_bytes());
    message[4..6].copy_from_slice(&(raw::RTM_NEWLINK as u16).to_ne_bytes());
    message[6..8].copy_from_slice(&flags.to_ne_bytes());
    message[20..24].copy_from_slice(&index.to_ne_bytes());
    message[24..28].copy_from_slice(&IFF_UP.to_ne_bytes()); // ifi_flags
    message[28..32].copy_from_slice(&IFF_UP.to_ne_bytes()); // ifi_change: only this bit
    send(&socket, &message, SendFlags::empty()).tried("switch a link on")?;
    let mut reply = [0u8; 128];
    let (n, _) = recv(&socket, &mut reply[..], RecvFlags::empty()).tried("switch a link on")?;
    // The acknowledgement is an NLMSG_ERROR whose error is 0.
    if n < 20 {
        return Err(Error::os("switch a link on", Errno::IO));
    }
    match i32::from_ne_bytes([reply[16], reply[17], reply[18], reply[19]]) {
        0 => Ok(()),
        error => Err(Error::os("switch a link on", Errno::from_raw_os_error(-error))),
    }
}
