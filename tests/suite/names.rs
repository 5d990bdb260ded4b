//! Names: what containers find in /etc/hosts and /etc/resolv.conf, and that it leads to whom it names.

use crate::crash;
use crate::host::Host;
use crate::process::{Cmd, until};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;

/// docker's first lines.
const FIRST: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\n\
                     ff00::0\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";

/// The lines that are not docker's first ones.
#[track_caller]
fn lines(h: &Host, name: &str) -> Vec<String> {
    let text = h.ok(&["exec", name, "cat", "/etc/hosts"]) + "\n";
    let rest = text.strip_prefix(FIRST).unwrap_or_else(|| panic!("{text}"));
    rest.lines().map(str::to_owned).collect()
}

/// The address of a container's first link.
#[track_caller]
fn ip(h: &Host, name: &str) -> String {
    let text = h.ok(&["exec", name, "ip", "-o", "-4", "addr", "show", "eth0"]);
    text.split_once("inet ").and_then(|(_, rest)| rest.split_once('/')).unwrap_or_else(|| panic!("{text}")).0.to_owned()
}

/// By this name a container reaches the one with this address.
#[track_caller]
fn reaches(h: &Host, from: &str, name: &str, ip: &str) {
    let answer = h.ok(&["exec", from, "ping", "-c1", "-W5", name]);
    assert!(answer.starts_with(&format!("PING {name} ({ip})")) && answer.contains("1 packets received"), "{answer}");
}

#[track_caller]
fn id(h: &Host, name: &str) -> String {
    h.ok(&["inspect", "-f", "{{.Id}}", name])
}

#[track_caller]
fn short(h: &Host, name: &str) -> String {
    id(h, name)[..12].to_owned()
}

fn owned(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

#[test]
fn on_the_default_network() {
    let h = Host::new();
    h.idle("--name web");
    let (web, id) = (ip(&h, "web"), short(&h, "web"));
    let alone = [format!("{web}\t{id}")];
    assert_eq!(lines(&h, "web"), alone);
    h.idle("--name app --hostname foo --domainname ex.com --link web:db");
    let (app, app_id) = (ip(&h, "app"), short(&h, "app"));
    assert_eq!(lines(&h, "app"), [format!("{app}\tfoo.ex.com foo"), format!("{web}\tdb web {id}")]);
    assert_eq!(lines(&h, "web"), [format!("{web}\t{id}"), format!("{app}\tapp {app_id}")]);
    for name in ["web", "db", &id] {
        reaches(&h, "app", name, &web);
    }
    reaches(&h, "web", "app", &app);
    h.ok("stop app");
    assert_eq!(lines(&h, "web"), alone);
    h.ok("start app");
    reaches(&h, "web", "app", &ip(&h, "app"));
    h.ok("rm -f app");
    assert_eq!(lines(&h, "web"), alone);
    // One that did not begin was announced already.
    h.run("run --name app busybox nosuch").exits(127);
    assert_eq!(lines(&h, "web"), alone);
    h.idle("--name app --userns auto");
    assert_eq!(h.ok("exec app tail -n 1 /etc/hosts"), format!("{web}\tweb {id}"));
    assert_eq!(h.ok("exec app stat -c '%a %u:%g' /etc/hosts"), "644 0:0");
    reaches(&h, "web", "app", &ip(&h, "app"));
    // What was mounted is no part of an image.
    h.ok("commit web kept");
    assert_eq!(h.ok("run --rm --network none kept cat /etc/hosts") + "\n", FIRST);
}

#[test]
fn on_networks_of_the_user() {
    let h = Host::new();
    h.ok("network create one");
    h.ok("network create two");
    h.idle("--name web --network name=one,alias=www,alias=w2 --network name=two,alias=other --hostname box");
    h.idle("--name app --network one --network-alias ally");
    h.idle("--name far --network two");
    h.idle("--name lost");
    let (web, id) = (ip(&h, "web"), short(&h, "web"));
    let two = lines(&h, "web")[1].split_once('\t').unwrap().0.to_owned();
    let (app, app_id, far, far_id) = (ip(&h, "app"), short(&h, "app"), ip(&h, "far"), short(&h, "far"));
    let own = [format!("{web}\tbox web www w2 {id}"), format!("{two}\tbox web other {id}")];
    let all = [&own[..], &[format!("{app}\tapp ally {app_id}"), format!("{far}\tfar {far_id}")]].concat();
    assert_eq!(lines(&h, "web"), all);
    assert_eq!(lines(&h, "app"), [format!("{app}\t{app_id} app ally"), format!("{web}\tweb www w2 {id}")]);
    assert_eq!(lines(&h, "far"), [format!("{far}\t{far_id} far"), format!("{two}\tweb other {id}")]);
    assert_eq!(lines(&h, "lost").len(), 1);
    for name in ["web", "www", "w2", &id] {
        reaches(&h, "app", name, &web);
    }
    reaches(&h, "far", "other", &two);
    reaches(&h, "web", "ally", &app);
    reaches(&h, "web", "far", &far);
    reaches(&h, "app", "app", &app);
    h.run("exec app ping -c1 -W1 other").exits(1);
    h.ok("rm -f far");
    assert_eq!(lines(&h, "web"), all[..3]);
}

#[test]
fn names_follow_who_moves() {
    let h = Host::new();
    h.ok("network create one");
    for name in ["aa", "bb", "cc"] {
        h.idle(&format!("--name {name} --network one --network-alias all"));
    }
    let (old, id) = (ip(&h, "bb"), short(&h, "bb"));
    h.ok("stop bb");
    until("its link has gone", || h.sh("ip -o link").lines().filter(|line| line.contains("master")).count() == 2);
    h.idle("--name dd --network one");
    assert_eq!(ip(&h, "dd"), old);
    h.ok("start bb");
    let new = ip(&h, "bb");
    assert_ne!(new, old);
    reaches(&h, "aa", "bb", &new);
    reaches(&h, "aa", "dd", &old);
    h.ok("restart aa");
    assert_eq!(lines(&h, "aa").iter().filter(|line| line.contains("\tbb ")).count(), 1);
    h.ok("rename bb ee");
    for name in ["aa", "cc", "dd"] {
        reaches(&h, name, "ee", &new);
        let found: Vec<String> = lines(&h, name).into_iter().filter(|line| line.contains(&id)).collect();
        assert_eq!(found, [format!("{new}\tee all {id}")]);
    }
    assert_eq!(lines(&h, "ee").iter().filter(|line| line.contains("\tbb ")).count(), 0);
    reaches(&h, "ee", "ee", &new);
    assert_eq!(lines(&h, "ee").len(), 4);
}

#[test]
fn a_killed_monitor_leaves_no_name() {
    let h = Host::new();
    h.idle("--name web");
    h.idle("--name app");
    let (before, first) = (lines(&h, "web"), ip(&h, "app"));
    let monitor = crash::monitor(&h, "app");
    kill_process(Pid::from_raw(monitor).unwrap(), Signal::KILL).unwrap();
    until("it is noticed", || h.field("app", "State") == "exited");
    assert_eq!(lines(&h, "web"), before[..1]);
    h.ok("start app");
    reaches(&h, "web", "app", &ip(&h, "app"));
    // Nobody has looked: who gets the address takes the line over.
    let monitor = crash::monitor(&h, "app");
    kill_process(Pid::from_raw(monitor).unwrap(), Signal::KILL).unwrap();
    until("its link has gone", || h.sh("ip -o link").lines().filter(|line| line.contains("master")).count() == 1);
    h.idle("--name new");
    assert_eq!(ip(&h, "new"), first);
    assert_eq!(lines(&h, "web"), [&before[..1], &[format!("{first}\tnew {}", short(&h, "new"))]].concat());
    assert_eq!(h.field("app", "State"), "exited");
    reaches(&h, "web", "new", &first);
}

#[test]
fn what_people_write_stays() {
    let h = Host::new();
    h.idle("--name web --add-host mine:172.17.0.3");
    let own = lines(&h, "web");
    h.ok("exec web sh -c 'printf \"9.9.9.9 quad\\r\\n\\n1.1.1.1\\tone\" >>/etc/hosts'");
    h.idle("--name app");
    assert_eq!(ip(&h, "app"), "172.17.0.3");
    let theirs = owned(&["9.9.9.9 quad\r", "", "1.1.1.1\tone"]);
    let line = [format!("172.17.0.3\tapp {}", short(&h, "app"))];
    let shown = |name: &str| fs::read_to_string(h.store.join(format!("containers/{}/hosts", id(&h, name)))).unwrap();
    assert_eq!(shown("web"), FIRST.to_owned() + &[&own[..], &theirs, &line].concat().join("\n") + "\n");
    h.ok("rm -f app");
    assert_eq!(shown("web"), FIRST.to_owned() + &[&own[..], &theirs].concat().join("\n") + "\n");
    // It is the same file for ever, and what cannot be a hosts file is left alone.
    h.ok("exec web sh -c ': >/etc/hosts'");
    h.idle("--name app");
    assert_eq!(shown("web"), format!("172.17.0.3\tapp {}\n", short(&h, "app")));
    h.ok("exec web sh -c 'chmod 0 /etc/hosts; head -c 1100000 /dev/zero >/etc/hosts'");
    h.ok("restart app");
    assert_eq!(h.ok("exec web stat -c %s /etc/hosts"), "1100000");
    reaches(&h, "app", "web", "172.17.0.2");
    h.ok("restart web");
    assert_eq!(lines(&h, "web").len(), 3);
}

#[test]
fn extra_hosts() {
    let h = Host::new();
    let flags = "--add-host aa:1.2.3.4 --add-host bb=::1 --add-host cc:[::2] --add-host hg:host-gateway";
    let want = |gateway: &str| format!("{FIRST}1.2.3.4\taa\n::1\tbb\n::2\tcc\n{gateway}\thg");
    let seen = h.ok(&format!("run --rm --hostname foo {flags} busybox cat /etc/hosts"));
    assert_eq!(seen, want("172.17.0.1") + "\n172.17.0.2\tfoo");
    h.ok("network create --subnet 192.168.77.0/24 one");
    let seen = h.ok(&format!("run --rm --name box --hostname foo --network one {flags} busybox cat /etc/hosts"));
    assert!(seen.starts_with(&(want("192.168.77.1") + "\n192.168.77.2\tfoo box ")), "{seen}");
    assert_eq!(h.ok(&format!("run --rm --network none {flags} busybox cat /etc/hosts")), want("172.17.0.1"));
    let seen = h.ok(&format!("run --rm --network host {flags} busybox cat /etc/hosts"));
    let own = fs::read_to_string("/etc/hosts").unwrap();
    assert!(seen.starts_with(own.trim_end()) && seen.ends_with("\n::2\tcc\n127.0.0.1\thg"), "{seen}");
}

/// What a container's resolv.conf is when the host's is this, and systemd-resolved's that.
#[track_caller]
fn resolv(h: &Host, host: &str, resolved: &str, line: &str) -> String {
    h.write("resolv.conf", host);
    h.write("resolved/resolve/resolv.conf", resolved);
    h.write("resolved/keep", "");
    let run = h.run_dir.display();
    // /run is the test's own, but for what mydocker keeps there.
    let script = format!(
        "mount --make-rprivate /; mount --bind resolv.conf /etc/resolv.conf; mkdir -p {run} /run/systemd
         mount --bind resolved /run/systemd; exec {} {line}",
        crate::host::binary()
    );
    Cmd::new(h, "unshare", &["-m", "sh", "-euc", &script]).run().ok()
}

#[test]
fn name_servers() {
    let h = Host::new();
    let fallback = "nameserver 8.8.8.8\nnameserver 8.8.4.4";
    let run = "run --rm busybox cat /etc/resolv.conf";
    for (host, resolved, want) in [
        ("nameserver 192.0.2.53\n", "", "nameserver 192.0.2.53"),
        ("search ex.com\nnameserver 127.0.0.1\nnameserver 192.0.2.1\n", "", "search ex.com\nnameserver 192.0.2.1"),
        ("nameserver 127.0.0.1\nnameserver ::1\n", "", fallback),
        ("", "", fallback),
        ("nameserver 127.0.0.53\noptions edns0\n", "nameserver 192.0.2.9\n", "nameserver 192.0.2.9"),
        ("nameserver 127.0.0.53\n", "", fallback),
        ("nameserver fe80::1%eth0\nnameserver 2001:db8::1\nnameserver 192.0.2.1", "", "nameserver 192.0.2.1"),
    ] {
        assert_eq!(resolv(&h, host, resolved, run), want, "{host:?}");
    }
    let host = "search ex.com\nnameserver 127.0.0.1\noptions rotate\n";
    for network in ["host", "none"] {
        assert_eq!(
            resolv(&h, host, "", &format!("run --rm --network {network} busybox cat /etc/resolv.conf")),
            host.trim_end()
        );
    }
    let flags = "--dns 9.9.9.9 --dns-search a.com --dns-search b.com --dns-option ndots:2";
    let want = "search a.com b.com\nnameserver 9.9.9.9\noptions ndots:2";
    for network in ["bridge", "host", "none"] {
        let line = format!("run --rm --network {network} {flags} busybox cat /etc/resolv.conf");
        assert_eq!(resolv(&h, host, "", &line), want, "{network}");
    }
    let line = "run --rm --dns 127.0.0.1 --dns-search . busybox cat /etc/resolv.conf";
    assert_eq!(resolv(&h, host, "", line), "nameserver 127.0.0.1\noptions rotate");
    // Each start looks anew.
    resolv(&h, "nameserver 192.0.2.1", "", "run --name box busybox cat /etc/resolv.conf");
    assert_eq!(resolv(&h, "nameserver 192.0.2.2", "", "start -a box"), "nameserver 192.0.2.2");
    h.ok("network create --ipv6 six");
    let both = "nameserver 2001:db8::1\nnameserver 192.0.2.1";
    assert_eq!(resolv(&h, both, "", "run --rm --network six busybox cat /etc/resolv.conf"), both);
}

#[test]
fn who_shares_a_network_shares_its_names() {
    let h = Host::new();
    h.idle("--name web --hostname foo --domainname ex.com --dns 9.9.9.9 --add-host mine:1.2.3.4");
    h.idle("--name app");
    h.idle("--name side --network container:web");
    for file in ["hosts", "hostname", "resolv.conf"] {
        let look = |name: &str| h.ok(&["exec", name, "stat", "-c", "%i", &format!("/etc/{file}")]);
        assert_eq!(look("web"), look("side"), "{file}");
    }
    assert_eq!(h.ok("exec side cat /etc/hostname"), "foo");
    assert_eq!(h.ok("exec side hostname"), "foo");
    assert_eq!(h.ok("exec side sh -c 'echo $HOSTNAME'"), "foo");
    reaches(&h, "side", "app", &ip(&h, "app"));
    h.ok("exec side sh -c 'echo 1.1.1.1 one >>/etc/hosts'");
    assert_eq!(lines(&h, "web"), lines(&h, "side"));
    assert!(lines(&h, "web").contains(&"1.1.1.1 one".to_owned()));
    // One that shares with a sharer shares with the same.
    let deep = h.ok("run --rm --network container:side busybox sh -c 'hostname; cat /etc/hosts'");
    assert!(deep.starts_with("foo\n") && deep.ends_with("1.1.1.1 one"), "{deep}");
    assert!(!lines(&h, "app").iter().any(|line| line.contains("side")));
}

#[test]
fn all_find_all_when_many_come_at_once() {
    const MANY: usize = 12;
    let h = Host::new();
    h.ok("network create --ipv6 six");
    let name = |at: usize| format!("box{at:02}");
    std::thread::scope(|scope| {
        for at in 0..MANY {
            let h = &h;
            scope.spawn(move || h.idle(&format!("--name {} --network six", name(at))));
        }
    });
    for at in 0..MANY {
        let found = lines(&h, &name(at));
        for other in 0..MANY {
            let of = found.iter().filter(|line| line.contains(&name(other)));
            assert_eq!(of.count(), 2, "{at} {other}: {found:?}");
        }
        assert_eq!(found.len(), 2 * MANY, "{found:?}");
    }
    let all: Vec<String> = (1..MANY).map(name).collect();
    std::thread::scope(|scope| {
        for name in &all {
            let h = &h;
            scope.spawn(move || h.ok(&["rm", "-f", name]));
        }
    });
    assert_eq!(lines(&h, &name(0)).len(), 2);
}

#[test]
fn connected_and_disconnected() {
    let h = Host::new();
    h.ok("network create one");
    h.idle("--name web");
    h.idle("--name app --network one");
    let before = lines(&h, "web");
    h.ok("network connect --alias www one web");
    let app = ip(&h, "app");
    reaches(&h, "web", "app", &app);
    let line = lines(&h, "app")[1].clone();
    let (web, names) = line.split_once('\t').unwrap();
    assert_eq!(names, format!("web www {}", short(&h, "web")));
    reaches(&h, "app", "www", web);
    h.ok("network disconnect one web");
    assert_eq!(lines(&h, "web"), before);
    assert_eq!(lines(&h, "app").len(), 1);
}
