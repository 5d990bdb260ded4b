//! Networks, with real traffic: what gets through, what does not, and what is left.

use crate::netns::{FAR, FAR6, HOST, HOST6, OTHER, OTHER6, Server, World, traffic};

#[test]
fn the_world_of_these_tests_is_one() {
    let Some(w) = World::new() else { return };
    let before = w.net.state();
    let _far = Server::new(&w.other, &format!("{FAR}:7 [{FAR6}]:7"));
    for (at, seen) in [(format!("{FAR}:7"), HOST), (format!("[{FAR6}]:7"), HOST6)] {
        for protocol in ["tcp", "udp"] {
            assert_eq!(traffic(&w.net, &format!("who {protocol} {at}")), seen);
            assert_eq!(traffic(&w.net, &format!("echo {protocol} {at} 1000000")), "same");
        }
    }
    let _near = Server::new(&w.net, &format!("{HOST}:7 [::1]:8"));
    assert_eq!(traffic(&w.other, &format!("who udp {HOST}:7")), OTHER);
    assert_eq!(traffic(&w.net, "who tcp [::1]:8"), "::1");
    assert_eq!(traffic(&w.other, &format!("who tcp [{HOST6}]:8")), "refused");
    assert_eq!(traffic(&w.other, "who udp 10.99.0.77:1 300"), "silent");
    assert_eq!(traffic(&w.other, "who tcp 10.98.0.1:1"), "unreachable");
    assert!(traffic(&w.other, &format!("speed {HOST}:7 200")).parse::<u32>().unwrap() > 100);
    w.net.unchanged(&before);
    assert!(before.iter().any(|line| line == "ipv4/ip_forward=1") && before.len() > 500, "{}", before.len());
    let _ = OTHER6;
}
