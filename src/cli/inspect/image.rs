//! What `inspect` tells about an image or a volume, in docker's words.

use super::super::shape::{picked, put, put_number, put_string, put_text, put_texts};
use super::container::{directories, record};
use alloc::vec::Vec;
use mydocker::error::Result;
use mydocker::kernel::time;
use mydocker::spec::json::{Object, Value};
use mydocker::store::volumes::{self, Volume};
use mydocker::store::{Store, images};

const IMAGE: &str = "Id sha256:{id},RepoTags tags,RepoDigests - [],Parent parent \"\",Comment comment,DockerVersion - \"\",\
    Created created \"\",Author author \"\",Architecture architecture \"\",Os os \"\",Size size,\
    Config .(User config.User \"\",WorkingDir config.WorkingDir \"\",StopSignal config.StopSignal \"\",Env config.Env [],\
        Cmd config.Cmd [],Entrypoint config.Entrypoint [],ExposedPorts config.ExposedPorts {},Volumes config.Volumes {},\
        OnBuild config.OnBuild [],Shell config.Shell [],Healthcheck config.Healthcheck,Labels config.Labels {},)\
    RootFS .(Type - \"layers\",Layers rootfs.diff_ids [],)GraphDriver .(Name - \"overlay\",Data directories,)\
    Metadata .(LastTagTime - \"0001-01-01T00:00:00Z\",)";
const VOLUME: &str = "CreatedAt @created,Driver - \"local\",Labels labels,Mountpoint path,Name name,Options - null,\
    Scope - \"local\",";

/// An image.
pub fn value(store: &Store, id: &str) -> Result<Value> {
    let image = images::get(store, id)?;
    let (mut o, mut data) = (record(&*image), Object::new());
    let mut tags = Vec::new();
    for (reference, to) in &images::references(store)? {
        if to == id {
            tags.push(reference.text());
        }
    }
    let comment = image.history.as_deref().and_then(|steps| steps.last()?.comment.as_deref());
    put_text(&mut o, "id", id);
    put_texts(&mut o, "tags", &tags);
    put_text(&mut o, "comment", comment.unwrap_or(""));
    put_number(&mut o, "size", images::size(store, &image)? as i64);
    let mut layers = image.layers()?;
    if let Some(top) = layers.pop() {
        put_string(&mut data, "UpperDir", directories(store, &[top]));
    }
    put_string(&mut data, "LowerDir", directories(store, &layers));
    put(&mut o, "directories", Value::Object(data));
    Ok(Value::Object(picked(IMAGE, &Value::Object(o))))
}

/// A volume.
pub fn volume(store: &Store, name: &str, known: &Volume) -> Value {
    let mut o = record(known);
    put_number(&mut o, "created", known.created / time::SECOND * time::SECOND);
    put_string(&mut o, "path", volumes::path(store, name));
    put_text(&mut o, "name", name);
    if known.labels.is_empty() {
        put(&mut o, "labels", Value::Null);
    }
    Value::Object(picked(VOLUME, &Value::Object(o)))
}
