//! What `ps`, `port`, `inspect`, `stats` and `commit` tell of networks and ports: docker's texts.

use crate::host::Host;

/// What templates make of the container box.
#[track_caller]
fn told(h: &Host, templates: &[(&str, &str)]) {
    for (template, want) in templates {
        assert_eq!(h.ok(&["inspect", "-f", template, "box"]), *want, "{template}");
    }
}

/// The names of the containers that fit.
#[track_caller]
fn filtered(h: &Host, filter: &str) -> String {
    h.ok(&["ps", "-a", "--filter", filter, "--format", "{{.Names}}"])
}

#[test]
fn what_was_asked_of_networks_is_told_before_the_start() {
    let h = Host::new();
    h.ok("create --name box -p 18080:80 -p 127.0.0.1::81/udp -p 9000-9001:90-91 -p 7100-7200:71 --expose 7000 \
          --add-host a:1.2.3.4 --dns 9.9.9.9 --dns-search ex.com --dns-option ndots:2 --domainname example.org \
          --mac-address 02:42:00:00:00:09 busybox true");
    told(
        &h,
        &[
            ("{{json (index .HostConfig.PortBindings \"80/tcp\")}}", "[{\"HostIp\":\"\",\"HostPort\":\"18080\"}]"),
            ("{{index .HostConfig.PortBindings \"81/udp\"}}", "[{127.0.0.1 }]"),
            ("{{index .HostConfig.PortBindings \"71/tcp\"}}", "[{ 7100-7200}]"),
            ("{{(index .HostConfig.PortBindings \"91/tcp\" 0).HostPort}}", "9001"),
            ("{{.Config.ExposedPorts}}", "map[7000/tcp:{} 71/tcp:{} 80/tcp:{} 81/udp:{} 90/tcp:{} 91/tcp:{}]"),
            (
                "{{.HostConfig.PublishAllPorts}} {{.HostConfig.ExtraHosts}} {{.HostConfig.Links}}",
                "false [a:1.2.3.4] []",
            ),
            (
                "{{.HostConfig.Dns}} {{.HostConfig.DnsSearch}} {{.HostConfig.DnsOptions}}",
                "[9.9.9.9] [ex.com] [ndots:2]",
            ),
            ("{{.Config.Domainname}} {{.Config.MacAddress}}", "example.org 02:42:00:00:00:09"),
            ("{{.HostConfig.NetworkMode}} {{json .NetworkSettings.Ports}}", "bridge {}"),
            ("[{{.NetworkSettings.IPAddress}}{{.NetworkSettings.SandboxKey}}]", "[]"),
            (
                "{{range $name, $net := .NetworkSettings.Networks}}{{$name}} [{{$net.IPAddress}}] {{$net.IPPrefixLen}}{{end}}",
                "bridge [] 0",
            ),
        ],
    );
    assert_eq!((h.field("box", "Ports"), h.field("box", "Networks")), (String::new(), "bridge".to_owned()));
    assert_eq!(h.ok("port box"), "");
    h.run("port box 80").fails(1, "No public port '80' published for box");
    for filter in ["publish=80", "publish=18080", "publish=81/udp", "publish=9000-9100", "expose=7000", "expose=1-80"] {
        assert_eq!(filtered(&h, filter), "box", "{filter}");
    }
    for filter in ["publish=7000", "publish=80/udp", "publish=1-70", "expose=7001", "expose=18080", "expose=80/sctp"] {
        assert_eq!(filtered(&h, filter), "", "{filter}");
    }
    for wrong in ["publish=x", "publish=2-1", "expose=80/ax25", "expose=65536", "expose="] {
        h.run(&["ps", "--filter", wrong]).fails(1, &format!("Invalid filter '{wrong}'"));
    }
}

#[test]
fn containers_without_a_bridge_have_no_ports() {
    let h = Host::new();
    h.ok("create --name nothing --network none busybox true");
    h.ok("create --name all --network host busybox true");
    h.ok("create --name box --network container:nothing busybox true");
    let id = h.ok("inspect -f {{.Id}} nothing");
    told(&h, &[("{{.HostConfig.NetworkMode}} {{json .NetworkSettings.Networks}}", &format!("container:{id} {{}}"))]);
    for (name, network) in [("nothing", "none"), ("all", "host"), ("box", "")] {
        assert_eq!(h.field(name, "Networks"), network);
    }
    assert_eq!((filtered(&h, "network=none"), filtered(&h, "network=host")), ("nothing".to_owned(), "all".to_owned()));
    let json = h.ok("inspect all");
    let order = ["Bridge", "SandboxID", "Ports", "SandboxKey", "EndpointID", "Gateway", "IPAddress", "Networks"];
    let at = order.map(|key| json.find(&format!("\n            \"{key}\": ")).unwrap());
    assert!(at.is_sorted(), "{at:?}");
    for line in ["\"IPAMConfig\": null", "\"Aliases\": null", "\"DriverOpts\": null", "\"IPPrefixLen\": 0"] {
        assert!(json.contains(&format!("\n                    {line},\n")), "{line} is not in {json}");
    }
    assert!(!json.contains("ExposedPorts"), "{json}");
}

#[test]
fn ports_of_a_running_container() {
    let h = Host::new();
    h.idle("--name box -p 18080:80 -p 127.0.0.1:18081:81/udp -p 0.0.0.0:9000-9001:9000-9001 --expose 82-83");
    let four = "82-83/tcp, 0.0.0.0:9000-9001->9000-9001/tcp, 0.0.0.0:18080->80/tcp, ";
    assert_eq!(h.field("box", "Ports"), format!("{four}[::]:18080->80/tcp, 127.0.0.1:18081->81/udp"));
    let table = h.ok("ps");
    assert!(table.contains(" 82-83/tcp, 0.0.0.0:9000-9001->9000-9001/tcp, 0.0.0.0:18080->80/tcp, "), "{table}");
    assert_eq!(
        h.ok("port box"),
        "80/tcp -> 0.0.0.0:18080\n80/tcp -> [::]:18080\n81/udp -> 127.0.0.1:18081\n9000/tcp -> 0.0.0.0:9000\n\
         9001/tcp -> 0.0.0.0:9001"
    );
    for port in ["80", "80/tcp"] {
        assert_eq!(h.ok(&["port", "box", port]), "0.0.0.0:18080\n[::]:18080");
    }
    for port in ["81", "82", "80/udp"] {
        h.run(&["port", "box", port]).fails(1, &format!("No public port '{port}' published for box"));
    }
    told(
        &h,
        &[
            (
                "{{json (index .NetworkSettings.Ports \"80/tcp\")}}",
                "[{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"18080\"},{\"HostIp\":\"::\",\"HostPort\":\"18080\"}]",
            ),
            ("{{(index (index .NetworkSettings.Ports \"81/udp\") 0).HostPort}}", "18081"),
            ("{{json (index .NetworkSettings.Ports \"83/tcp\")}}", "null"),
            (
                "{{range $port, $to := .NetworkSettings.Ports}}{{if $to}}{{$port}}={{(index $to 0).HostPort}} {{end}}{{end}}",
                "80/tcp=18080 81/udp=18081 9000/tcp=9000 9001/tcp=9001 ",
            ),
        ],
    );
    assert_eq!((filtered(&h, "publish=18081/udp"), filtered(&h, "publish=82")), ("box".to_owned(), String::new()));
    h.ok("stop box");
    assert_eq!((h.field("box", "Ports"), h.ok("port box")), Default::default());
    told(&h, &[("{{json .NetworkSettings.Ports}} [{{.NetworkSettings.IPAddress}}]", "{} []")]);
}

#[test]
fn ports_that_the_kernel_chooses_are_told() {
    let h = Host::new();
    h.idle("--name box -P --expose 7000 -p 127.0.0.1::80/udp");
    let port = h.ok("port box 80/udp");
    let number: u16 = port.strip_prefix("127.0.0.1:").unwrap().parse().unwrap();
    assert!(number >= 1024, "{port}");
    assert_eq!(filtered(&h, &format!("publish={number}/udp")), "box");
    let all = h.ok("port box 7000");
    assert!(all.starts_with("0.0.0.0:") && all.lines().count() <= 2, "{all}");
    told(&h, &[("{{.HostConfig.PublishAllPorts}}", "true")]);
}

#[test]
fn addresses_of_a_running_container() {
    let h = Host::new();
    let id = h.idle("--name box");
    let ip = h.ok("inspect -f {{.NetworkSettings.IPAddress}} box");
    let gateway = h.ok("inspect -f {{.NetworkSettings.Gateway}} box");
    let inside = h.ok("exec box ip -4 -o addr show eth0");
    assert!(!ip.is_empty() && inside.contains(&format!(" {ip}/16 ")), "{ip}: {inside}");
    assert!(h.ok("exec box ip route").contains(&format!("default via {gateway} ")));
    let mac = h.ok("exec box cat /sys/class/net/eth0/address");
    let network = h.ok("inspect -f {{.NetworkSettings.Networks.bridge.NetworkID}} box");
    assert_eq!(network.len(), 64, "{network}");
    told(
        &h,
        &[
            ("{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", &ip),
            ("{{.NetworkSettings.Networks.bridge.Gateway}} {{.NetworkSettings.IPPrefixLen}}", &format!("{gateway} 16")),
            (
                "{{.NetworkSettings.MacAddress}} {{.NetworkSettings.Networks.bridge.MacAddress}}",
                &format!("{mac} {mac}"),
            ),
            ("{{json .NetworkSettings.Networks.bridge.DNSNames}}", &format!("[\"box\",\"{}\"]", &id[..12])),
            ("{{len .NetworkSettings.SandboxID}} {{len .NetworkSettings.EndpointID}}", "64 64"),
        ],
    );
    let key = h.ok("inspect -f {{.NetworkSettings.SandboxKey}} box");
    assert_eq!(
        std::fs::read_link(&key).unwrap(),
        std::fs::read_link(format!("/proc/{}/ns/net", h.pid("box"))).unwrap()
    );
    assert_eq!(filtered(&h, &format!("network={}", &network[..12])), "box");
    let before = h.ok("inspect box");
    assert_eq!(h.ok("inspect box"), before);
    h.ok(&["exec", "box", "ping", "-c", "1", &gateway]);
    let traffic = h.ok("stats --no-stream --format {{.NetIO}} box");
    assert!(!traffic.contains("0B / ") || !traffic.ends_with(" 0B"), "{traffic}");
    h.ok("stop box");
    told(&h, &[("[{{.NetworkSettings.IPAddress}}{{.NetworkSettings.SandboxKey}}]", "[]")]);
    told(&h, &[("{{.NetworkSettings.Networks.bridge.NetworkID}}", &network)]);
}

#[test]
fn several_networks() {
    let h = Host::new();
    let id = h.ok("network create --subnet 10.7.0.0/24 blue");
    h.ok("network create green");
    h.idle("--name box --network blue --network-alias web --ip 10.7.0.9");
    h.ok("create --name other busybox true");
    told(
        &h,
        &[
            ("{{.HostConfig.NetworkMode}} [{{.NetworkSettings.IPAddress}}]", "blue []"),
            ("{{json .NetworkSettings.Networks.blue.IPAMConfig}}", "{\"IPv4Address\":\"10.7.0.9\"}"),
            (
                "{{.NetworkSettings.Networks.blue.IPAddress}} {{.NetworkSettings.Networks.blue.Aliases}}",
                "10.7.0.9 [web]",
            ),
            ("{{.NetworkSettings.Networks.blue.NetworkID}}", &id),
        ],
    );
    h.ok("network connect green box");
    assert_eq!(h.field("box", "Networks"), "blue,green");
    for filter in ["network=blue", "network=green", &format!("network={id}"), &format!("network={}", &id[..12])] {
        assert_eq!(filtered(&h, filter), "box", "{filter}");
    }
    assert_eq!((filtered(&h, "network=bridge"), filtered(&h, "network=nosuch")), ("other".to_owned(), String::new()));
    told(
        &h,
        &[(
            "{{range $name, $net := .NetworkSettings.Networks}}{{$name}} {{len $net.EndpointID}} {{end}}",
            "blue 64 green 64 ",
        )],
    );
}

#[test]
fn a_commit_serves_what_the_container_did() {
    let h = Host::new();
    h.ok("create --name box --expose 53/udp -p 8080:80 busybox true");
    h.ok("commit -c 'EXPOSE 443' box served");
    let ports = "{\"443/tcp\":{},\"53/udp\":{},\"80/tcp\":{}}";
    assert_eq!(h.ok("image inspect -f '{{json .Config.ExposedPorts}}' served"), ports);
    h.ok("create --name again served true");
    assert_eq!(h.ok("inspect -f '{{json .Config.ExposedPorts}}' again"), ports);
    assert_eq!(filtered(&h, "expose=443"), "again");
}

#[test]
fn info_names_the_kinds_of_networks() {
    let h = Host::empty();
    assert!(h.ok("info").contains("\n Network: bridge host null\n"));
    assert_eq!(h.ok(&["info", "--format", "{{.Plugins.Network}} {{.Plugins.Volume}}"]), "[bridge host null] [local]");
}
