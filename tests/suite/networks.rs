//! The verbs of networks: what they take, what they refuse, what they tell.

use crate::host::Host;
use std::fs;

/// The names of the networks that somebody made.
fn custom(h: &Host) -> String {
    h.ok("network ls -f type=custom --format {{.Name}}").replace('\n', " ")
}

/// A field of a network.
#[track_caller]
fn field(h: &Host, name: &str, template: &str) -> String {
    h.ok(&["network", "inspect", "-f", template, name])
}

/// The names of the networks in a container's record.
fn endpoints(h: &Host, name: &str) -> String {
    let id = h.ok(&["ps", "-aq", "--no-trunc", "-f", &format!("name=^{name}$")]);
    let record = fs::read_to_string(h.store.join("containers").join(id).join("config.json")).unwrap();
    let list = record.split("\"endpoints\":").nth(1).unwrap().split("\"ports\"").next().unwrap();
    list.split("\"network\":\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_tutorials_spelling() {
    let h = Host::empty();
    let id = h.ok("network create --driver bridge --subnet 192.168.10.1/24 testbridge");
    assert!(id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
    let list = h.ok("network list");
    let mut lines = list.lines();
    assert_eq!(lines.next(), Some("NETWORK ID     NAME         DRIVER    SCOPE"));
    let rows: Vec<&str> = lines.map(|line| &line[15..]).collect();
    let want = ["bridge       bridge", "host         host  ", "none         null  ", "testbridge   bridge"];
    assert_eq!(rows, want.map(|row| format!("{row}    local")), "{list}");
    assert!(list.contains(&format!("{}   testbridge", &id[..12])), "{list}");
    assert_eq!(
        field(&h, "testbridge", "{{json .IPAM.Config}}"),
        "[{\"Subnet\":\"192.168.10.0/24\",\"Gateway\":\"192.168.10.1\"}]"
    );
    assert_eq!(h.ok("network remove testbridge"), "testbridge");
    assert_eq!(custom(&h), "");
}

#[test]
fn what_is_asked_for_is_noted() {
    let h = Host::empty();
    h.ok("network create --subnet 10.7.0.0/16 --subnet fd07::/64 --gateway 10.7.9.9 --ip-range 10.7.5.9/24 --label a=b \
          --label c --internal --attachable --ipam-driver default --scope local -o mtu=1400 -o com.docker.network.bridge.name=br7 \
          -o com.docker.network.bridge.enable_icc=false --opt com.docker.network.bridge.host_binding_ipv4=127.0.0.1 full");
    for (template, want) in [
        (
            "{{json .IPAM.Config}}",
            "[{\"Subnet\":\"10.7.0.0/16\",\"IPRange\":\"10.7.5.0/24\",\"Gateway\":\"10.7.9.9\"},{\"Subnet\":\"fd07::/64\",\"Gateway\":\"fd07::1\"}]",
        ),
        ("{{.Internal}} {{.EnableIPv4}} {{.EnableIPv6}}", "true true true"),
        ("{{json .Labels}}", "{\"a\":\"b\",\"c\":\"\"}"),
        ("{{index .Options \"com.docker.network.driver.mtu\"}}", "1400"),
        ("{{range .IPAM.Config}}{{.Subnet}} {{.Gateway}};{{end}}", "10.7.0.0/16 10.7.9.9;fd07::/64 fd07::1;"),
        ("{{.IPAM.Config}}", "[{10.7.0.0/16 10.7.5.0/24 10.7.9.9 map[]} {fd07::/64  fd07::1 map[]}]"),
    ] {
        assert_eq!(field(&h, "full", template), want, "{template}");
    }
    h.ok("network create --subnet 10.8.0.0/24,fd08::8/64 --gateway 10.8.0.254,fd08::9 lists");
    assert_eq!(field(&h, "lists", "{{range .IPAM.Config}}{{.Gateway}} {{end}}"), "10.8.0.254 fd08::9 ");
    h.ok("network create --ipv6 six");
    let range = field(&h, "six", "{{(index .IPAM.Config 1).Subnet}}");
    assert!(range.starts_with("fd") && range.ends_with("::/64"), "{range}");
}

#[test]
fn refusals_leave_nothing() {
    let h = Host::empty();
    h.ok("network create --subnet 10.5.0.0/16 -o com.docker.network.bridge.name=taken0 old");
    let link = "com.docker.network.bridge.name";
    h.net.sh("ip link add busy0 type bridge");
    for (line, why) in [
        ("old", "network with name old already exists"),
        ("bridge", "operation is not permitted on predefined bridge network"),
        ("host", "operation is not permitted on predefined host network"),
        ("none", "operation is not permitted on predefined none network"),
        ("default", "operation is not permitted on predefined default network"),
        ("a/b", "invalid network name 'a/b'"),
        ("../x", "invalid network name"),
        ("-d overlay n", "plugin \"overlay\" not found: the driver 'bridge' is the only one"),
        ("-d host n", "only one instance of \"host\" network is allowed"),
        ("--config-only n", "--config-only can only be false"),
        ("--ingress n", "--ingress can only be false"),
        ("--scope swarm n", "--scope can only be local"),
        ("--ipam-driver dhcp n", "--ipam-driver can only be default"),
        ("--ipv4=false n", "--ipv4 can only be true"),
        (
            "--subnet 10.5.3.0/24 n",
            "Pool overlaps with other one on this address space: 10.5.3.0/24 has addresses of network old (10.5.0.0/16)",
        ),
        ("--subnet 10.0.0.0/8 n", "network old"),
        ("--subnet 10.6.0.0 n", "invalid subnet '10.6.0.0'"),
        ("--subnet 10.6.0.0/33 n", "invalid subnet '10.6.0.0/33'"),
        ("--subnet 10.6.0.0/31 n", "/30 is the smallest"),
        ("--subnet fd00::/127 n", "/126 is the smallest"),
        ("--subnet 10.6.0.0/24 --subnet 10.7.0.0/24 n", "bridge driver doesn't support multiple subnets"),
        ("--subnet 224.1.0.0/24 n", "containers cannot have such addresses"),
        ("--subnet 127.1.0.0/24 n", "containers cannot have such addresses"),
        ("--subnet fe80::/64 n", "containers cannot have such addresses"),
        ("--subnet 10.6.0.255/24 n", "invalid gateway '10.6.0.255'"),
        ("--subnet 10.6.0.0/24 --gateway 10.6.0.0 n", "invalid gateway '10.6.0.0'"),
        ("--subnet 10.6.0.0/24 --gateway 10.6.1.1 n", "no matching subnet for gateway 10.6.1.1"),
        ("--subnet 10.6.0.0/24 --gateway fd00::1 n", "no matching subnet for gateway fd00::1"),
        ("--subnet 10.6.0.0/24 --gateway 10.6.0.1,10.6.0.2 n", "cannot configure multiple gateways"),
        ("--gateway 10.6.0.1 n", "no matching subnet for gateway"),
        ("--gateway x n", "invalid gateway 'x': it is no IP address"),
        ("--ip-range 10.6.0.0/25 n", "no matching subnet for range 10.6.0.0/25"),
        ("--subnet 10.6.0.0/24 --ip-range 10.6.1.0/25 n", "no matching subnet for range"),
        ("--subnet 10.6.0.0/24 --ip-range 10.6.0.0/16 n", "no matching subnet for range"),
        ("--subnet 10.6.0.0/24 --ip-range 10.6.0.1/32 n", "it has no address for a container"),
        ("--subnet fd00::/64 --ip-range fd00::/80 n", "it is for IPv4 only"),
        ("-o mtu=67 n", "a number of bytes from 68 to 65535"),
        ("-o mtu=65536 n", "a number of bytes from 68 to 65535"),
        ("-o mtu=x n", "a number of bytes from 68 to 65535"),
        ("--ipv6 -o mtu=1279 n", "from 1280 (with IPv6)"),
        ("-o com.docker.network.bridge.enable_icc=maybe n", "true or false is expected"),
        ("-o com.docker.network.bridge.host_binding_ipv4=::1 n", "an IPv4 address of the host is expected"),
        ("-o colour=blue n", "invalid option 'colour': known are com.docker.network.bridge.name, "),
        (&format!("-o {link}=sixteen_letters_ n"), "cannot be the name of a network link"),
        (&format!("-o {link}=a/b n"), "cannot be the name of a network link"),
        (&format!("-o {link}= n"), "cannot be the name of a network link"),
        (&format!("-o {link}=taken0 n"), "that is the bridge of network old"),
        (&format!("-o {link}=busy0 n"), "the host has a link of this name"),
        (&format!("-o {link}=mydocker0 n"), "links that mydocker names itself"),
        (&format!("-o {link}=md0a000001 n"), "links that mydocker names itself"),
        ("", "requires 1 argument"),
        ("a b", "requires 1 argument"),
    ] {
        h.run(format!("network create {line}").trim_end()).fails(1, why);
    }
    h.run("network create --label =x n").fails(125, "invalid label");
    h.run("network create --bogus n").fails(125, "unknown flag: --bogus");
    assert_eq!(custom(&h), "old");
}

#[test]
fn what_the_host_uses_is_left_alone() {
    let h = Host::empty();
    h.net.sh("ip link add d0 type bridge; ip link set d0 up; ip addr add 172.18.5.1/24 dev d0; ip addr add fd77::1/64 dev d0
        ip route add 172.19.0.0/16 via 172.18.5.9; ip route add 10.40.0.0/13 via 172.18.5.9
        ip route add 0.0.0.0/1 via 172.18.5.9; ip route add 128.0.0.0/1 via 172.18.5.9; ip route add default via 172.18.5.9
        ip route add blackhole 10.60.0.0/16");
    h.ok("network create free");
    assert_eq!(field(&h, "free", "{{(index .IPAM.Config 0).Subnet}}"), "172.20.0.0/16");
    assert_eq!(field(&h, "bridge", "{{(index .IPAM.Config 0).Subnet}}"), "172.17.0.0/16");
    for (subnet, user) in [
        ("172.18.0.0/16", "the host's link d0 (172.18.5.1/24)"),
        ("172.19.7.0/24", "a route of the host through d0 (172.19.0.0/16)"),
        ("10.41.0.0/16", "a route of the host through d0 (10.40.0.0/13)"),
        ("10.60.7.0/24", "a route of the host"),
        ("fd77::/48", "d0 (fd77::"),
        ("172.17.0.0/24", "network bridge (172.17.0.0/16)"),
    ] {
        h.run(&format!("network create --subnet {subnet} no")).fails(1, user);
    }
    h.ok("network create --subnet 172.18.4.0/24 beside");
    assert_eq!(custom(&h), "beside free");
}

#[test]
fn ls_and_its_filters() {
    let h = Host::new();
    let data = h.ok("network create --label tier=db --label a=b data");
    h.ok("network create --internal other");
    h.ok("create --name box --network data busybox true");
    for (filters, want) in [
        ("-f name=at", "data"),
        ("-f name=^o", "other"),
        ("-f name=at -f name=^o", "data other"),
        ("-f dangling=true", "other"),
        ("-f dangling=false", "bridge data host none"),
        ("-f label=tier", "data"),
        ("-f label=tier=x", ""),
        ("-f label=tier -f label=a=c", ""),
        ("-f driver=bridge", "bridge data other"),
        ("-f driver=null -f driver=host", "host none"),
        ("-f type=builtin", "bridge host none"),
        ("-f type=custom", "data other"),
        ("-f type=custom -f driver=host", ""),
        ("-f scope=local", "bridge data host none other"),
        ("-f scope=swarm", ""),
        (&format!("-f id={}", &data[..20]), "data"),
    ] {
        assert_eq!(h.ok(&format!("network ls {filters} --format {{{{.Name}}}}")).replace('\n', " "), want, "{filters}");
    }
    assert_eq!(h.ok("network ls -q --no-trunc -f name=data"), data);
    assert_eq!(h.ok("network ls -q -f name=data"), data[..12]);
    let shown = h.ok(
        "network ls -f type=custom --format '{{.Name}} {{.Driver}} {{.Scope}} {{.Internal}} {{.IPv6}} {{.Labels}}'",
    );
    assert_eq!(shown, "data bridge local false false a=b,tier=db\nother bridge local true false ");
    assert!(h.ok("network ls --format json -f name=data").starts_with("{\"CreatedAt\":\"20"));
    assert_eq!(h.ok("network ls -f name=data --format 'table {{.Name}}'"), "NAME\ndata");
    h.run("network ls -f bogus=1").fails(1, "Invalid filter 'bogus'");
    h.run("network ls -f type=odd").fails(1, "builtin or custom");
    // The built-in ones are the same the next time.
    assert_eq!(h.ok("network ls -q"), h.ok("network ls -q"));
}

#[test]
fn inspect_has_dockers_shape() {
    let h = Host::new();
    let id = h.ok("network create --subnet 10.9.0.0/24,fd09::/64 shape");
    let box_id = h.idle("--name box --network shape");
    let text = h.ok("network inspect shape");
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    assert_eq!(lines[2..4], ["\"Name\": \"shape\",".to_owned(), format!("\"Id\": \"{id}\",")], "{text}");
    assert!(lines[4].starts_with("\"Created\": \"20") && lines[4].ends_with("Z\","), "{text}");
    let keys =
        text.lines().filter(|line| line.starts_with("        \"")).map(|line| line.trim().split('"').nth(1).unwrap());
    let want = "Name Id Created Scope Driver EnableIPv4 EnableIPv6 IPAM Internal Attachable Ingress ConfigFrom ConfigOnly \
                Containers Options Labels";
    assert_eq!(keys.collect::<Vec<_>>().join(" "), want);
    let template = "{{range $id, $c := .Containers}}{{$id}} {{$c.Name}} {{$c.IPv4Address}} {{$c.IPv6Address}} {{$c.MacAddress}}{{end}}";
    assert_eq!(field(&h, "shape", template), format!("{box_id} box 10.9.0.2/24 fd09::2/64 02:42:0a:09:00:02"));
    let endpoint = field(&h, "shape", "{{range .Containers}}{{.EndpointID}}{{end}}");
    assert_eq!(h.ok("inspect -f {{.NetworkSettings.Networks.shape.EndpointID}} box"), endpoint);
    // By id, among others, and without saying what it is.
    assert_eq!(h.ok(&["inspect", "-f", "{{.Name}}", &id[..12], "box", "host"]), "shape\n/box\nhost");
    assert_eq!(h.ok("inspect --type network -f '{{.Driver}} {{.Scope}}' none shape"), "null local\nbridge local");
    let output = h.run("network inspect nosuch shape -f {{.Name}}").exits(1);
    assert!(output.out == "shape\n" && output.err.contains("network nosuch not found"), "{output:?}");
    assert!(h.run("inspect --type network box").exits(1).err.contains("network box not found"));
    h.ok("rm -f box");
    assert_eq!(field(&h, "shape", "{{json .Containers}}"), "{}");
}

#[test]
fn rm_refuses_what_is_in_use() {
    let h = Host::new();
    let first = h.ok("network create first");
    h.ok("network create second");
    let id = h.idle("--name box --network first");
    let why =
        format!("error while removing network: network first has active endpoints (name:\"box\" id:\"{}\")", &id[..12]);
    h.run("network rm first").fails(1, &why);
    h.run("network rm -f first").fails(1, &why);
    let output = h.run("network rm nosuch second bridge host none").exits(1);
    assert_eq!(output.out, "second\n");
    assert_eq!(
        output.err,
        "mydocker: network nosuch not found\nmydocker: bridge is a pre-defined network and cannot be removed\n\
         mydocker: host is a pre-defined network and cannot be removed\nmydocker: none is a pre-defined network and cannot be removed\n"
    );
    assert_eq!(h.ok("network rm -f nosuch"), "");
    // One that does not run keeps no network, and is told when it is to run.
    h.ok("stop box");
    assert_eq!(h.ok(&["network", "rm", &first[..10]]), first[..10]);
    h.run("start box").fails(1, "network first not found");
    assert_eq!(custom(&h), "");
    h.ok("rm box");
}

#[test]
fn a_damaged_record_is_told_of_and_goes() {
    let h = Host::empty();
    h.ok("network create good");
    for name in ["bad", "bridge"] {
        fs::write(h.store.join("networks").join(name), "{").unwrap();
        let output = h.run("network ls --format {{.Name}}").exits(1);
        assert!(
            output.out.contains("good\n") && output.err.contains(&format!("networks/{name} is damaged")),
            "{output:?}"
        );
        assert!(h.run(&["network", "inspect", name]).exits(1).err.contains("is damaged"));
        h.ok(&["network", "rm", name]);
    }
    assert_eq!(h.ok("network ls --format {{.Name}}"), "bridge\ngood\nhost\nnone");
}

#[test]
fn prune_takes_what_no_container_names() {
    let h = Host::new();
    h.ok("network create --label keep kept");
    h.ok("network create used");
    h.ok("network create unused");
    h.ok("create --name box --network used busybox true");
    let output = h.cmd("network prune").input("n\n").run().exits(0);
    let warning = "WARNING! This will remove all custom networks not used by at least one container.\n\
                   Are you sure you want to continue? [y/N] ";
    assert_eq!(output.out, warning);
    h.run("network prune -f --filter bogus=1").fails(1, "Invalid filter");
    assert_eq!(h.run("network prune -f --filter label!=keep").out, "Deleted Networks:\nunused\n\n");
    assert_eq!(h.run("network prune -f --filter until=1h").out, "");
    assert_eq!(custom(&h), "kept used");
    let output = h.ok("system prune -f");
    assert!(output.contains("Deleted Networks:\nkept\nused\n\n"), "{output}");
    assert_eq!(custom(&h), "");
}

#[test]
fn connect_and_disconnect_change_the_record() {
    let h = Host::new();
    h.ok("network create --subnet 10.9.0.0/24 back");
    h.ok("network create front");
    h.ok("create --name box busybox true");
    assert_eq!(endpoints(&h, "box"), "bridge");
    assert_eq!(
        h.ok("network connect --ip 10.9.0.7 --alias db --alias store --mac-address 02:42:AC:11:00:99 back box"),
        ""
    );
    h.ok("network connect front box");
    assert_eq!(endpoints(&h, "box"), "bridge back front");
    let template = "{{with .NetworkSettings.Networks.back}}{{.IPAMConfig.IPv4Address}} {{.Aliases}}{{end}}";
    assert_eq!(h.ok(&["inspect", "-f", template, "box"]), "10.9.0.7 [db store]");
    h.ok("create --name shut --network none busybox true");
    h.ok("create --name open --network host busybox true");
    h.ok("create --name other --network container:box busybox true");
    let shares =
        "container sharing network namespace with another container or host cannot be connected to any other network";
    let private = "container cannot be connected to multiple networks with one of the networks in private (none) mode";
    for (line, code, why) in [
        ("connect back box", 1, "endpoint with name box already exists in network back"),
        ("connect nosuch box", 1, "network nosuch not found"),
        ("connect back nosuch", 1, "No such container: nosuch"),
        ("connect back open", 1, shares),
        ("connect back other", 1, shares),
        ("connect back shut", 1, private),
        ("connect none box", 1, private),
        ("connect host box", 1, "container cannot be disconnected from host network or connected to host network"),
        ("connect --ip x back box", 125, "invalid IPv4 address: x"),
        ("connect --ip 10.9.1.7 back shut", 1, "no configured subnet contains IP address 10.9.1.7"),
        ("connect --ip 10.9.0.1 back shut", 1, "10.9.0.1 is not for containers"),
        ("connect --ip 172.30.0.9 front shut", 1, "only when connecting to networks with user configured subnets"),
        ("connect --ip6 fd00::9 back shut", 1, "user configured subnets"),
        ("connect --mac-address 01:00:00:00:00:00 back shut", 125, "not a valid mac address"),
        ("connect --alias 'a b' back shut", 125, "invalid network alias"),
        ("connect back", 1, "requires 2 arguments"),
        ("disconnect bridge shut", 1, "container shut is not connected to network bridge"),
        ("disconnect host open", 1, "container cannot be disconnected from host network or connected to host network"),
        ("disconnect nosuch box", 1, "network nosuch not found"),
    ] {
        h.run(&format!("network {line}")).fails(code, why);
    }
    assert_eq!(endpoints(&h, "box"), "bridge back front");
    for network in ["bridge", "back", "front"] {
        h.ok(&["network", "disconnect", network, "box"]);
    }
    h.run("network disconnect -f back box").fails(1, "container box is not connected to network back");
    assert_eq!(endpoints(&h, "box"), "");
    h.ok("network connect front box");
    assert_eq!(endpoints(&h, "box"), "front");
}

#[test]
fn a_network_that_went_is_left_all_the_same() {
    let h = Host::new();
    h.ok("network create gone");
    h.ok("create --name box --network gone busybox true");
    h.ok("network rm gone");
    h.run("network connect gone box").fails(1, "network gone not found");
    h.ok("network disconnect -f gone box");
    assert_eq!(endpoints(&h, "box"), "");
}

#[test]
fn events_of_networks() {
    let h = Host::new();
    let id = h.ok("network create told");
    h.ok("network rm told");
    let out = h.ok("events --since 1h --until 0s -f type=network");
    let lines: Vec<&str> = out.lines().map(|line| &line[30..]).collect();
    assert_eq!(lines, ["create", "destroy"].map(|action| format!(" network {action} {id} (name=told, type=bridge)")));
    for filter in ["network=told", &format!("network={}", &id[..12])] {
        let out = h.ok(&["events", "--since", "1h", "--until", "0s", "-f", filter, "--format", "{{.Action}}"]);
        assert_eq!(out, "create\ndestroy", "{filter}");
    }
}

#[test]
fn a_run_comes_to_its_networks_and_leaves_them() {
    let h = Host::new();
    let (id, bridge) = (h.ok("create --name box busybox true"), field(&h, "bridge", "{{.Id}}"));
    h.ok("start -a box");
    let out = h.ok("events --since 1h --until 0s");
    let lines: Vec<&str> = out.lines().filter(|line| !line.contains(" image ")).map(|line| &line[31..]).collect();
    let line = |action: &str| format!("network {action} {bridge} (container={id}, name=bridge, type=bridge)");
    assert_eq!((lines[1], lines[4]), (line("connect").as_str(), line("disconnect").as_str()), "{out}");
    assert_eq!(h.ok("events --since 1h --until 0s -f type=container --format {{.Action}}"), "create\nstart\ndie");
}

#[test]
fn many_at_once_have_subnets_of_their_own() {
    let h = Host::empty();
    let running: Vec<_> = (0..8).map(|n| h.spawn(&format!("network create n{n}"))).collect();
    for one in running {
        one.wait().ok();
    }
    let mut subnets: Vec<String> =
        (0..8).map(|n| field(&h, &format!("n{n}"), "{{(index .IPAM.Config 0).Subnet}}")).collect();
    subnets.sort();
    subnets.dedup();
    assert_eq!(subnets.len(), 8, "{subnets:?}");
    // Of those who want the same name, one gets it.
    let running: Vec<_> = (0..4).map(|_| h.spawn("network create same")).collect();
    let made: Vec<i32> = running.into_iter().map(|one| one.wait().code).collect();
    assert_eq!(made.iter().filter(|code| **code == 0).count(), 1, "{made:?}");
}

#[test]
fn a_running_container_is_connected_at_once() {
    let h = Host::new();
    let id = h.ok("network create --subnet 10.9.0.0/24 back");
    let one = h.idle("--name one");
    h.idle("--name two");
    h.ok("network connect --ip 10.9.0.7 --mac-address 02:42:0a:09:00:99 back one");
    let shown = h.ok("exec one ip addr show eth1");
    assert!(shown.contains("10.9.0.7/24") && shown.contains("02:42:0a:09:00:99"), "{shown}");
    assert_eq!(field(&h, "back", "{{range .Containers}}{{.Name}} {{.IPv4Address}}{{end}}"), "one 10.9.0.7/24");
    h.run("network connect back one").fails(1, "endpoint with name one already exists in network back");
    // What cannot be done is not noted.
    h.run("network connect --ip 10.9.0.7 back two").fails(1, "10.9.0.7");
    assert_eq!(endpoints(&h, "two"), "bridge");
    h.ok("network connect back two");
    assert!(h.ok("exec two ip addr show eth1").contains("10.9.0.2/24"));
    h.run("network rm back").fails(1, "name:\"one\" id:");
    for name in ["one", "two"] {
        h.ok(&["network", "disconnect", "back", name]);
        h.run(&["exec", name, "ip", "addr", "show", "eth1"]).exits(1);
    }
    let out = h.ok(&[
        "events",
        "--since",
        "1h",
        "--until",
        "0s",
        "-f",
        "network=back",
        "-f",
        "event=connect",
        "-f",
        "event=disconnect",
    ]);
    let line = |action: &str| format!(" network {action} {id} (container={one}, name=back, type=bridge)");
    let lines: Vec<&str> = out.lines().map(|line| &line[30..]).filter(|line| line.contains(&one)).collect();
    assert_eq!(lines, [line("connect"), line("disconnect")], "{out}");
    // Off its last one it has nothing but lo, and can be connected again.
    h.ok("network disconnect bridge one");
    assert_eq!(h.ok("exec one ls /sys/class/net"), "lo");
    h.ok("network connect back one");
    assert!(h.ok("exec one ip route").contains("default via 10.9.0.1"));
    h.ok("rm -f one two");
    h.ok("network rm back");
}
