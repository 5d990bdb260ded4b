//! What `inspect` tells about an image or a volume, in docker's words.

use super::super::shape::{list, map, number, texts};
use super::super::{object, text};
use super::container;
use miniserde::json::Value;
use mydocker::error::Result;
use mydocker::store::images::{self, Config, Empty, HealthConfig};
use mydocker::store::{Store, volumes};
use std::collections::BTreeMap;

/// An image.
pub fn value(store: &Store, id: &str) -> Result<Value> {
    let image = images::get(store, id)?;
    let tags = images::references(store)?.into_iter().filter(|(_, to)| to == id);
    let comment = image.history.iter().flatten().last().and_then(|step| step.comment.clone());
    let layers = image.diff_ids()?.into_iter().map(|layer| format!("sha256:{layer}"));
    let said = |field: &Option<String>| text(field.as_deref().unwrap_or(""));
    Ok(object(vec![
        ("Id", text(format!("sha256:{id}"))),
        ("RepoTags", texts(&tags.map(|(reference, _)| reference.text()).collect::<Vec<_>>())),
        ("RepoDigests", list(vec![])),
        ("Parent", text("")),
        ("Comment", text(comment.unwrap_or_default())),
        ("Created", said(&image.created)),
        ("DockerVersion", text("")),
        ("Author", said(&image.author)),
        ("Config", config(&image.config.clone().unwrap_or_default())),
        ("Architecture", said(&image.architecture)),
        ("Os", said(&image.os)),
        ("Size", number(images::size(store, &image)? as i64)),
        ("RootFS", object(vec![("Type", text("layers")), ("Layers", texts(&layers.collect::<Vec<_>>()))])),
    ]))
}

fn config(config: &Config) -> Value {
    let said = |field: &Option<String>| text(field.as_deref().unwrap_or(""));
    let words = |list: &Option<Vec<String>>| texts(list.as_deref().unwrap_or(&[]));
    let set = |set: &Option<BTreeMap<String, Empty>>| {
        object(set.iter().flatten().map(|(key, _)| (key.as_str(), object(vec![]))).collect())
    };
    object(vec![
        ("User", said(&config.user)),
        ("ExposedPorts", set(&config.exposed_ports)),
        ("Env", words(&config.env)),
        ("Cmd", words(&config.cmd)),
        ("Healthcheck", config.healthcheck.as_ref().map_or(Value::Null, checks)),
        ("Volumes", set(&config.volumes)),
        ("WorkingDir", said(&config.working_dir)),
        ("Entrypoint", words(&config.entrypoint)),
        ("OnBuild", list(vec![])),
        ("Labels", config.labels.as_ref().map_or(object(vec![]), map)),
        ("StopSignal", said(&config.stop_signal)),
    ])
}

fn checks(health: &HealthConfig) -> Value {
    let time = |ns: Option<i64>| number(ns.unwrap_or(0));
    object(vec![
        ("Test", texts(health.test.as_deref().unwrap_or(&[]))),
        ("Interval", time(health.interval)),
        ("Timeout", time(health.timeout)),
        ("StartPeriod", time(health.start_period)),
        ("StartInterval", time(health.start_interval)),
        ("Retries", number(i64::from(health.retries.unwrap_or(0)))),
    ])
}

/// A volume that was made at this moment (nanoseconds since 1970).
pub fn volume(store: &Store, name: &str, created: i64) -> Value {
    object(vec![
        ("CreatedAt", container::moment(created)),
        ("Driver", text("local")),
        ("Labels", Value::Null),
        ("Mountpoint", text(volumes::path(store, name))),
        ("Name", text(name)),
        ("Options", Value::Null),
        ("Scope", text("local")),
    ])
}
