//! Bundles for a runtime that is called without an engine: what umoci makes of an image that we saved, changed as a check wants.

use crate::process::{Output, Shell};
use crate::stage::Stage;
use miniserde::json::{self, Array, Object, Value};
use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};

/// Makes `image/`, the bundle that all others begin as.
pub fn open(s: &Stage) {
    let store = "MYDOCKER_ROOT=DIR/store MYDOCKER_RUN=DIR/run";
    s.ok(&format!("{store} {0} import {1} busybox && {store} {0} save -o saved.tar busybox", s.ours, s.image));
    s.ok("mkdir layout && tar -C layout -xf saved.tar && umoci unpack --image layout:latest image && chmod 755 image/rootfs");
}

/// A bundle with an id and a cgroup of its own.
pub struct Bundle<'a> {
    stage: &'a Stage,
    /// The container's id.
    pub id: String,
    /// config.json
    pub config: Value,
    runtime: String,
}

/// A document.
pub fn value(text: &str) -> Value {
    json::from_str(text).unwrap_or_else(|_| panic!("no JSON: {text}"))
}

/// The part of a document at a path like `process.args.0`, which is made if it is not there.
pub fn at<'a>(value: &'a mut Value, path: &str) -> &'a mut Value {
    path.split('.').fold(value, |value, key| match (value, key.parse::<usize>()) {
        (Value::Array(list), Ok(index)) => {
            if index == list.len() {
                list.push(Value::Null);
            }
            &mut list[index]
        }
        (value, Ok(0)) => {
            *value = Value::Array(Array::new());
            at(value, key)
        }
        (Value::Object(map), _) => map.entry(key.to_owned()).or_insert(Value::Null),
        (value, _) => {
            *value = Value::Object(Object::new());
            at(value, key)
        }
    })
}

/// The text at a path of a document.
pub fn text(value: &mut Value, path: &str) -> String {
    match at(value, path) {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

impl<'a> Bundle<'a> {
    /// A bundle that runs a script.
    pub fn new(stage: &'a Stage, script: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let id = format!("{}-{:03}", stage.name, COUNT.fetch_add(1, Ordering::Relaxed));
        let image = stage.dir.join("image");
        let config = value(&fs::read_to_string(image.join("config.json")).unwrap());
        let mut bundle = Self { stage, id, config, runtime: stage.runtime.clone() };
        bundle.set("process.terminal", "false");
        bundle.set("process.args", &json::to_string(&["sh", "-c", script].map(str::to_owned).to_vec()));
        bundle.set("root.path", &json::to_string(&format!("{}/rootfs", image.display())));
        bundle.set("linux.cgroupsPath", &format!("\"/{}\"", bundle.id));
        bundle
    }

    /// The same for another runtime.
    pub fn under(self, runtime: &str) -> Self {
        Self { runtime: runtime.to_owned(), ..self }
    }

    /// Changes a part of config.json.
    pub fn set(&mut self, path: &str, to: &str) -> &mut Self {
        *at(&mut self.config, path) = value(to);
        self
    }

    /// Gives it ids of its own, and a root whose files have them: for a user namespace.
    pub fn map_ids(&mut self) -> &mut Self {
        let s = self.stage;
        s.ok("test -e mapped || { cp -a image mapped.new && chown -R 100000:200000 mapped.new && mv mapped.new mapped; }");
        s.ok("at=DIR; while [ \"$at\" != / ]; do chmod o+x $at; at=$(dirname $at); done");
        self.set("root.path", &format!("\"{}/mapped/rootfs\"", s.dir.display()));
        self.set("linux.uidMappings", r#"[{"containerID":0,"hostID":100000,"size":65536}]"#);
        self.set("linux.gidMappings", r#"[{"containerID":0,"hostID":200000,"size":65536}]"#)
    }

    /// Adds to a list of config.json.
    pub fn add(&mut self, path: &str, element: &str) -> &mut Self {
        let element = value(element);
        match at(&mut self.config, path) {
            Value::Array(list) => list.push(element),
            other => *other = Value::Array([element].into_iter().collect()),
        }
        self
    }

    /// Removes a part of config.json.
    pub fn unset(&mut self, path: &str) -> &mut Self {
        let (map, key) = match path.rsplit_once('.') {
            Some((place, key)) => (at(&mut self.config, place), key),
            None => (&mut self.config, path),
        };
        let Value::Object(map) = map else { panic!("{path} is in no object") };
        map.remove(key);
        self
    }

    /// Where config.json is.
    pub fn dir(&self) -> String {
        self.stage.dir.join(&self.id).display().to_string()
    }

    /// Writes config.json.
    pub fn write(&self) {
        self.stage.write(&format!("{}/config.json", self.id), &json::to_string(&self.config));
    }

    /// A line of shell: `VERB` with the runtime and its root before it, `ID`, `BUNDLE`.
    pub fn line(&self, line: &str) -> Shell {
        let line = line.replace(
            "runtime ",
            &format!("{} --root DIR/state --log DIR/{}.log --log-format json ", self.runtime, self.id),
        );
        self.stage.line(&line.replace("BUNDLE", &self.dir()).replace("ID", &self.id))
    }

    /// Runs a line.
    pub fn run(&self, line: &str) -> Output {
        self.line(line).run()
    }

    /// Runs a line that must work.
    #[track_caller]
    pub fn ok(&self, line: &str) -> String {
        self.run(line).ok()
    }

    /// Creates the container; what it says goes to the file `ID.said`.
    #[track_caller]
    pub fn create(&self) {
        self.write();
        let done = self.run("runtime create --bundle BUNDLE --pid-file DIR/ID.pid ID >DIR/ID.said 2>&1 </dev/null");
        assert!(done.code == 0, "{done:?} {}", self.said());
    }

    /// What the container has said by now.
    pub fn said(&self) -> String {
        fs::read_to_string(self.stage.dir.join(format!("{}.said", self.id))).unwrap_or_default()
    }

    /// Its state, by `state`.
    #[track_caller]
    pub fn state(&self) -> Value {
        value(&self.ok("runtime state ID"))
    }

    /// Its status; empty when there is none.
    pub fn status(&self) -> String {
        let state = self.run("runtime state ID");
        if state.code == 0 { text(&mut value(&state.out), "status") } else { String::new() }
    }

    /// The last line of the runtime's log, as the message in it.
    pub fn log(&self) -> String {
        let log = fs::read_to_string(self.stage.dir.join(format!("{}.log", self.id))).unwrap_or_default();
        log.lines().last().map(|line| text(&mut value(line), "msg")).unwrap_or_default()
    }
}
