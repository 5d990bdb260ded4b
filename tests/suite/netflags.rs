//! Flags of `run` and `create` about networks: what of them the record has, and what is refused. Needs root.

use crate::host::Host;
use std::fs;

/// A host with a container, and with networks of which one has a subnet that somebody asked for.
fn host() -> Host {
    let h = Host::new();
    fs::create_dir_all(h.store.join("networks")).unwrap();
    let mine = "\"subnet\":\"10.77.1.0/24\",\"gateway\":\"10.77.1.1\",\"is_fixed\":true,\
                \"subnet6\":\"fd77::/64\",\"gateway6\":\"fd77::1\"";
    for (name, id, rest) in [
        ("mine", "1a", mine),
        ("other", "2b", "\"subnet\":\"10.77.2.0/24\",\"gateway\":\"10.77.2.1\",\"is_fixed\":false"),
    ] {
        let link = format!("\"link\":\"md-{id}\",\"created\":1,\"is_internal\":false,\"labels\":{{}},\"options\":{{}}");
        let text = format!("{{\"name\":\"{name}\",\"id\":\"{}\",{link},{rest}}}", id.repeat(32));
        fs::write(h.store.join("networks").join(name), text).unwrap();
    }
    h.ok("create --name box --hostname boxhost busybox true");
    h
}

/// Each of these flags makes `create` fail with a line that contains the words.
#[track_caller]
fn refused(h: &Host, table: &[(&str, &str)]) {
    let before = h.snapshot();
    for (flags, why) in table {
        h.run(&format!("create {flags} busybox true")).fails(125, why);
    }
    h.run(&format!("run --rm {} busybox true", table[0].0)).fails(125, table[0].1);
    h.unchanged(&before);
}

/// What the record of a container that is made with these flags has between two texts.
#[track_caller]
fn recorded(h: &Host, flags: &str, from: &str, to: &str) -> String {
    let made = h.run(&format!("create {flags} busybox true"));
    assert_eq!(made.code, 0, "{made:?}");
    let id = made.out.trim_end();
    let record = fs::read_to_string(h.store.join("containers").join(id).join("config.json")).unwrap();
    h.ok(&format!("rm {id}"));
    let after = record.split_once(from).unwrap_or_else(|| panic!("{flags}: {from} is not in {record}")).1;
    let mut text = after.split(to).next().unwrap().replace('"', "");
    for name in ["network_of", "ip", "ip6", "mac", "domainname"] {
        text = text.replace(&format!(",{name}:null"), "");
    }
    text
}

#[test]
fn ports_are_recorded() {
    let h = host();
    let ports = |flags: &str| recorded(&h, flags, "\"ports\":[", "],\"publish_all\"");
    assert_eq!(ports("-p 8080:80"), "{ip:,host_first:8080,host_last:8080,port:80,protocol:tcp}");
    assert_eq!(ports("-p [::1]::53/udp"), "{ip:::1,host_first:0,host_last:0,port:53,protocol:udp}");
    assert_eq!(
        ports("--publish published=127.0.0.1:8000-8010,target=80"),
        "{ip:127.0.0.1,host_first:8000,host_last:8010,port:80,protocol:tcp}"
    );
    assert_eq!(ports("-p 1-3:4-6").matches("host_first").count(), 3);
    assert_eq!(ports("-P --expose 9-10/udp -p 1:10/udp").matches("host_first").count(), 2);
    let exposed = |flags: &str| recorded(&h, flags, "\"exposed\":[", "]");
    assert_eq!(exposed("--expose 80 --expose 7-8/udp -p 1:7/udp -p 443"), "7/udp,8/udp,80/tcp,443/tcp");
    assert_eq!(exposed("--network host -p 80:80"), "80/tcp");
}

#[test]
fn what_the_image_serves_is_published_on_request() {
    let h = host();
    let box_ = h.ok("create busybox true");
    h.ok(&["commit", "-c", "EXPOSE 80 53/udp", &box_, "served"]);
    let record = |flags: &str| {
        let id = h.ok(&format!("create {flags} served true"));
        fs::read_to_string(h.store.join("containers").join(id).join("config.json")).unwrap()
    };
    assert!(record("").contains("\"ports\":[]"));
    assert!(record("").contains("\"exposed\":[\"53/udp\",\"80/tcp\"]"));
    let all = record("-P --expose 9");
    for port in ["\"port\":53,\"protocol\":\"udp\"", "\"port\":80,\"protocol\":\"tcp\"", "\"port\":9,"] {
        assert!(all.contains(&format!("\"host_first\":0,\"host_last\":0,{port}")), "{all}");
    }
    let one = record("-P -p 8080:80");
    assert_eq!(one.matches("\"host_first\":0").count(), 1, "{one}");
    // Where the image is served anyway, that it serves ports is no conflict.
    assert!(record("--network container:box").contains("\"ports\":[]"));
}

#[test]
fn networks_are_recorded() {
    let h = host();
    let network = |flags: &str| recorded(&h, flags, "\"network\":", ",\"ports\"");
    let none = |name: &str| format!("{{network:{name},aliases:[]}}");
    for flags in ["", "--network bridge", "--network default", "--net=default", "-net bridge"] {
        assert_eq!(network(flags), format!("bridge,endpoints:[{}]", none("bridge")), "{flags}");
    }
    assert_eq!(network("--network none"), "none,endpoints:[]");
    assert_eq!(network("--net host"), "host,endpoints:[]");
    assert_eq!(network("--network other"), format!("bridge,endpoints:[{}]", none("other")));
    assert_eq!(network("--network 2b2b"), format!("bridge,endpoints:[{}]", none("other")));
    assert_eq!(
        network("--network mine --network other"),
        format!("bridge,endpoints:[{},{}]", none("mine"), none("other"))
    );
    let all = "mine,aliases:[a,b],ip:10.77.1.9,ip6:fd77::9,mac:02:42:ac:11:00:02";
    for flags in [
        "--network mine --network-alias a --net-alias b --ip 10.77.1.9 --ip6 fd77:0::9 --mac-address 02:42:AC:11:00:02",
        "--network name=mine,alias=a,alias=b,ip=10.77.1.9,ip6=fd77::9,mac-address=02-42-ac-11-00-02",
    ] {
        assert_eq!(network(flags), format!("bridge,endpoints:[{{network:{all}}}]"), "{flags}");
    }
    let joined = network("--network container:box");
    let id = h.ok("ps -a --no-trunc --filter name=^box$ --format {{.ID}}");
    assert_eq!(joined, format!("container,network_of:{id},endpoints:[]"));
    assert_eq!(recorded(&h, "--network container:box", "\"hostname\":", ","), "boxhost");
}

#[test]
fn names_are_recorded() {
    let h = host();
    let names = |flags: &str| recorded(&h, flags, "\"extra_hosts\":", ",\"mounts\"");
    assert_eq!(
        names("--add-host a:1.2.3.4 --add-host b=[::1] --add-host hg:host-gateway"),
        "[a:1.2.3.4,b:::1,hg:host-gateway],links:[],dns:[],dns_search:[],dns_options:[]"
    );
    assert_eq!(
        names("--dns 9.9.9.9 --dns-search ex.com --dns-opt ndots:2 --dns-option rotate --domainname nis"),
        "[],links:[],dns:[9.9.9.9],dns_search:[ex.com],dns_options:[ndots:2,rotate],domainname:nis"
    );
    assert_eq!(names("--dns-search ."), "[],links:[],dns:[],dns_search:[.],dns_options:[]");
    let id = h.ok("ps -a --no-trunc --filter name=^box$ --format {{.ID}}");
    assert!(names("--link box:db --link box").contains(&format!("links:[{id}:db,{id}:box]")));
}

#[test]
fn a_port_without_a_network_is_discarded() {
    let h = host();
    for network in ["host", "none"] {
        let out = h.run(&format!("run --rm --network {network} -p 80:80 busybox true"));
        assert_eq!(out.code, 0, "{out:?}");
        assert_eq!(out.err, format!("mydocker: Published ports are discarded when using {network} network mode\n"));
    }
}

#[test]
fn bad_ports() {
    refused(
        &host(),
        &[
            ("-p 80:x", "invalid containerPort: x"),
            ("-p 99999:80", "invalid hostPort: 99999"),
            ("-p ''", "no port specified: <empty>"),
            ("-p 80:80/icmp", "invalid proto: icmp"),
            ("-p nosuch:80:80", "invalid IP address: nosuch"),
            ("-p 1-2:1-3", "invalid ranges specified for container and host Ports: 1-3 and 1-2"),
            ("-p target=80,mode=ingress", "invalid publish opts: mode=ingress"),
            ("-p 1-65535 -p 1-65535/udp", "too many published ports"),
            ("-P --expose 1-65535 --expose 1-65535/udp", "too many published ports"),
            ("--expose x", "invalid range format for --expose: x"),
            ("--expose 80:80", "invalid port format for --expose: 80:80"),
            ("-P=maybe", "invalid argument \"maybe\" for \"-P, --publish-all\" flag"),
        ],
    );
}

#[test]
fn bad_networks() {
    let several = "cannot attach both user-defined and non-user-defined network-modes";
    refused(
        &host(),
        &[
            ("--network nosuch", "network nosuch not found"),
            ("--network '../x'", "network ../x not found"),
            ("--network name=nosuch,alias=a", "network nosuch not found"),
            ("--network container", "Invalid network mode: invalid container format container:<name|id>"),
            ("--network container:", "Invalid network mode: invalid container format container:<name|id>"),
            ("--network container:nosuch", "No such container: nosuch"),
            ("--network none --network host", several),
            ("--network mine --network bridge", several),
            ("--network default --network mine", several),
            ("--network mine --network container:box", several),
            ("--network mine --network other --network 1a1a", "network \"mine\" is specified multiple times"),
            ("--network alias=a", "network name/id is not specified"),
            ("--network name=mine,gw-priority=1", "\"--network\" flag: invalid field key gw-priority"),
            ("--network name=mine,ip=x", "\"--network\" flag: invalid IPv4 address: x"),
            (
                "--network name=mine,alias=a --network-alias b",
                "conflicting options: cannot specify both --network-alias and per-network alias",
            ),
            (
                "--network name=mine,ip=10.77.1.8 --ip 10.77.1.9",
                "conflicting options: cannot specify both --ip and per-network IPv4 address",
            ),
            (
                "--network name=mine,ip6=fd77::8 --ip6 fd77::9",
                "conflicting options: cannot specify both --ip6 and per-network IPv6 address",
            ),
            (
                "--network name=mine,mac-address=02:00:00:00:00:01 --mac-address 02:00:00:00:00:02",
                "conflicting options: cannot specify both --mac-address and per-network MAC address",
            ),
        ],
    );
}

#[test]
fn bad_addresses() {
    let users = "user specified IP address is supported on user defined networks only";
    let configured =
        "user specified IP address is supported only when connecting to networks with user configured subnets";
    refused(
        &host(),
        &[
            ("--ip 10.77.1.9", users),
            ("--network none --ip 10.77.1.9", users),
            ("--network host --ip6 fd77::9", users),
            ("--network container:box --ip 10.77.1.9", users),
            ("--network other --ip 10.77.2.9", configured),
            ("--network other --ip6 fd77::9", configured),
            ("--network mine --ip 10.77.2.9", "no configured subnet contains IP address 10.77.2.9"),
            ("--network mine --ip6 fd78::9", "no configured subnet contains IP address fd78::9"),
            ("--network mine --ip 10.77.1.1", "IP address 10.77.1.1 is not for containers"),
            ("--network mine --ip 10.77.1.0", "IP address 10.77.1.0 is not for containers"),
            ("--network mine --ip 10.77.1.255", "IP address 10.77.1.255 is not for containers"),
            ("--network mine --ip6 fd77::1", "IP address fd77::1 is not for containers"),
            ("--network mine --network name=other,ip=10.77.2.9", configured),
            ("--ip x", "invalid argument \"x\" for \"--ip\" flag: invalid IPv4 address: x"),
            ("--ip ::1", "invalid argument \"::1\" for \"--ip\" flag: invalid IPv4 address: ::1"),
            ("--ip6 1.2.3.4", "invalid argument \"1.2.3.4\" for \"--ip6\" flag: invalid IPv6 address: 1.2.3.4"),
            ("--mac-address x", "x is not a valid mac address"),
            ("--mac-address 01:00:5e:00:00:01", "01:00:5e:00:00:01 is not a valid mac address"),
            ("--network-alias a", "network-scoped alias is supported only for containers in user defined networks"),
            ("--network host --network-alias a", "network-scoped alias is supported only for containers in"),
            ("--network mine --network-alias 'a b'", "invalid network alias 'a b'"),
        ],
    );
}

#[test]
fn bad_names() {
    let h = host();
    h.ok("create --name apart --network other busybox true");
    refused(
        &h,
        &[
            ("--add-host a", "\"--add-host\" flag: bad format for add-host: \"a\""),
            ("--add-host 'a b:1.2.3.4'", "bad format for add-host"),
            ("--add-host a:b", "invalid IP address in add-host: \"b\""),
            ("--dns nosuch", "\"--dns\" flag: IP address is not correctly formatted: nosuch"),
            ("--dns-search 'a b'", "\"--dns-search\" flag: invalid domain: a b"),
            ("--dns-option 'a b'", "\"--dns-option\" flag: it is not an option of resolv.conf"),
            ("--domainname 'a b'", "invalid domainname 'a b'"),
            ("--uts host --domainname x", "conflicting options: domainname and the UTS mode"),
            ("--link ''", "empty string specified for links"),
            ("--link a:b:c", "bad format for links: a:b:c"),
            ("--link nosuch", "No such container: nosuch"),
            ("--link apart", "Cannot link to apart, as it does not belong to bridge"),
            ("--link box --network none", "Cannot link to box, as it does not belong to a network of this container"),
        ],
    );
}

#[test]
fn conflicts() {
    let other = [
        ("--hostname x", "hostname and the network mode"),
        ("--link box", "container type network can't be used with links"),
        ("--dns 9.9.9.9", "dns and the network mode"),
        ("--add-host a:1.2.3.4", "custom host-to-IP mapping and the network mode"),
        ("--mac-address 02:42:ac:11:00:02", "mac-address and the network mode"),
        ("-p 80:80", "port publishing and the container type network mode"),
        ("-P", "port publishing and the container type network mode"),
        ("--expose 80", "port exposing and the container type network mode"),
    ];
    let other =
        other.map(|(flag, why)| (format!("--network container:box {flag}"), format!("conflicting options: {why}")));
    let mut table: Vec<(&str, &str)> = other.iter().map(|(flag, why)| (flag.as_str(), why.as_str())).collect();
    table.extend([
        ("--network host --link box", "conflicting options: host type networking can't be used with links"),
        ("--network host --mac-address 02:42:ac:11:00:02", "conflicting options: mac-address and the network mode"),
        ("--network none --mac-address 02:42:ac:11:00:02", "conflicting options: mac-address and the network mode"),
        ("--network container:box --userns auto", "cannot share the network namespace of a container"),
        ("--network container:box --sysctl net.ipv4.ip_forward=1", "with --network container:…"),
    ]);
    let h = host();
    refused(&h, &table);
    h.ok("create --name fine --network container:box -P=false busybox true");
}
