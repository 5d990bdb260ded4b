//! What `inspect` tells about an image or a volume, in docker's words.

use super::super::shape::{picked, put, put_number, put_text, put_texts};
use super::container;
use miniserde::json::{self, Object, Value};
use mydocker::error::Result;
use mydocker::kernel::time;
use mydocker::spec::record::to_json;
use mydocker::store::{Store, images, volumes};

const IMAGE: &str = "RepoDigests - [],Parent parent \"\",DockerVersion - \"\",Created created \"\",Author author \"\",\
    Architecture architecture \"\",Os os \"\",";
const CONFIG: &str = "User config.User \"\",WorkingDir config.WorkingDir \"\",StopSignal config.StopSignal \"\",\
    Env config.Env [],Cmd config.Cmd [],Entrypoint config.Entrypoint [],ExposedPorts config.ExposedPorts {},\
    Volumes config.Volumes {},OnBuild config.OnBuild [],Shell config.Shell [],Healthcheck config.Healthcheck,Labels config.Labels {},";
const ROOT_FS: &str = "Type - \"layers\",Layers rootfs.diff_ids [],";
const DRIVER: &str = "Name - \"overlay\",";
const METADATA: &str = "LastTagTime - \"0001-01-01T00:00:00Z\",";
const VOLUME: &str = "Driver - \"local\",Labels - null,Options - null,Scope - \"local\",";

/// An image.
pub fn value(store: &Store, id: &str) -> Result<Value> {
    let image = images::get(store, id)?;
    let record: Value = json::from_str(&to_json(&image)).unwrap_or(Value::Null); // what we wrote ourselves
    let mut tags = Vec::new();
    for (reference, to) in images::references(store)? {
        if to == id {
            tags.push(reference.text());
        }
    }
    let comment = image.history.as_deref().and_then(|steps| steps.last()?.comment.as_deref());
    let mut o = picked(IMAGE, &record);
    put_text(&mut o, "Id", &format!("sha256:{id}"));
    put_texts(&mut o, "RepoTags", &tags);
    put_text(&mut o, "Comment", comment.unwrap_or(""));
    put(&mut o, "Config", Value::Object(picked(CONFIG, &record)));
    put_number(&mut o, "Size", images::size(store, &image)? as i64);
    put(&mut o, "RootFS", Value::Object(picked(ROOT_FS, &record)));
    let (mut driver, mut data) = (picked(DRIVER, &record), Object::new());
    let mut lower = String::new();
    for (at, layer) in image.layers()?.iter().rev().enumerate() {
        let path = format!("{}/layers/{layer}/diff", store.root_path);
        if at == 0 {
            put_text(&mut data, "UpperDir", &path);
        } else {
            lower.extend([if at == 1 { "" } else { ":" }, &path]);
        }
    }
    put_text(&mut data, "LowerDir", &lower);
    put(&mut driver, "Data", Value::Object(data));
    put(&mut o, "GraphDriver", Value::Object(driver));
    put(&mut o, "Metadata", Value::Object(picked(METADATA, &record)));
    Ok(Value::Object(o))
}

/// A volume.
pub fn volume(store: &Store, name: &str, known: &volumes::Volume) -> Value {
    let mut o = picked(VOLUME, &Value::Null);
    put_text(&mut o, "CreatedAt", &container::moment(known.created / time::SECOND * time::SECOND));
    put_text(&mut o, "Mountpoint", &volumes::path(store, name));
    put_text(&mut o, "Name", name);
    if !known.labels.is_empty() {
        let mut labels = Object::new();
        for (key, value) in &known.labels {
            put_text(&mut labels, key, value);
        }
        put(&mut o, "Labels", Value::Object(labels));
    }
    Value::Object(o)
}
