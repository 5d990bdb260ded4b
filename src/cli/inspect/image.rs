//! What `inspect` tells about an image or a volume, in docker's words.

use super::super::shape::{begun, put, put_map, put_number, put_text, put_texts};
use super::container;
use miniserde::json::{Object, Value};
use mydocker::error::Result;
use mydocker::spec::Health;
use mydocker::store::images::{self, Config, Empty};
use mydocker::store::{Store, volumes};
use std::collections::BTreeMap;

/// An image.
pub fn value(store: &Store, id: &str) -> Result<Value> {
    let image = images::get(store, id)?;
    let tags = images::references(store)?.into_iter().filter(|(_, to)| to == id);
    let tags: Vec<String> = tags.map(|(reference, _)| reference.text()).collect();
    let comment = image.history.iter().flatten().last().and_then(|step| step.comment.as_deref());
    let layers: Vec<String> = image.diff_ids()?.into_iter().map(|layer| format!("sha256:{layer}")).collect();
    let mut o = begun(r#"{"RepoDigests":[],"Parent":"","DockerVersion":""}"#);
    put_text(&mut o, "Id", &format!("sha256:{id}"));
    put_texts(&mut o, "RepoTags", &tags);
    put_text(&mut o, "Comment", comment.unwrap_or(""));
    for (key, said) in [
        ("Created", &image.created),
        ("Author", &image.author),
        ("Architecture", &image.architecture),
        ("Os", &image.os),
    ] {
        put_text(&mut o, key, said.as_deref().unwrap_or(""));
    }
    put(&mut o, "Config", config(image.config.as_ref().unwrap_or(&Config::default())));
    put_number(&mut o, "Size", images::size(store, &image)? as i64);
    let mut root = begun(r#"{"Type":"layers"}"#);
    put_texts(&mut root, "Layers", &layers);
    put(&mut o, "RootFS", Value::Object(root));
    Ok(Value::Object(o))
}

fn config(config: &Config) -> Value {
    let mut o = begun(r#"{"OnBuild":[],"Healthcheck":null,"Labels":{}}"#);
    for (key, said) in
        [("User", &config.user), ("WorkingDir", &config.working_dir), ("StopSignal", &config.stop_signal)]
    {
        put_text(&mut o, key, said.as_deref().unwrap_or(""));
    }
    for (key, words) in [("Env", &config.env), ("Cmd", &config.cmd), ("Entrypoint", &config.entrypoint)] {
        put_texts(&mut o, key, words.as_deref().unwrap_or(&[]));
    }
    for (key, set) in [("ExposedPorts", &config.exposed_ports), ("Volumes", &config.volumes)] {
        put(&mut o, key, set_of(set.as_ref()));
    }
    if let Some(labels) = &config.labels {
        put_map(&mut o, "Labels", labels);
    }
    if let Some(health) = &config.healthcheck {
        let asked = Health {
            test: health.test.clone().unwrap_or_default(),
            interval_ns: health.interval.unwrap_or(0),
            timeout_ns: health.timeout.unwrap_or(0),
            start_period_ns: health.start_period.unwrap_or(0),
            start_interval_ns: health.start_interval.unwrap_or(0),
            retries: health.retries.unwrap_or(0),
        };
        put(&mut o, "Healthcheck", container::checks(&asked));
    }
    Value::Object(o)
}

/// A set as the specification spells it: a map to `{}`.
fn set_of(set: Option<&BTreeMap<String, Empty>>) -> Value {
    let mut o = Object::new();
    for key in set.into_iter().flatten().map(|(key, _)| key) {
        put(&mut o, key, Value::Object(Object::new()));
    }
    Value::Object(o)
}

/// A volume that was made at this moment (nanoseconds since 1970).
pub fn volume(store: &Store, name: &str, created: i64) -> Value {
    let mut o = begun(r#"{"Driver":"local","Labels":null,"Options":null,"Scope":"local"}"#);
    put_text(&mut o, "CreatedAt", &container::moment(created));
    put_text(&mut o, "Mountpoint", &volumes::path(store, name));
    put_text(&mut o, "Name", name);
    Value::Object(o)
}
