//! Where the checks of a group run: what `build/engines` has made, and the words that call the engine.

use crate::process::{Running, Shell, soon};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const CGROUPS: &str = "/sys/fs/cgroup";
/// How long a daemon may take to begin.
const BEGINNING: Duration = Duration::from_secs(60);

/// A stage.
pub struct Stage {
    /// The group, and the engine's name.
    pub name: &'static str,
    /// A directory of the group's own, on the disk.
    pub dir: PathBuf,
    /// The runtime under test.
    pub runtime: String,
    /// mydocker, as the tool that makes images.
    pub ours: String,
    /// The archive of the busybox image's root.
    pub image: String,
}

impl Stage {
    /// The stage of a group.
    pub fn new(name: &'static str) -> Self {
        let var = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("no {name}: run this by build/engines"));
        let dir = Path::new(&var("ENGINES_PLACE")).join(name);
        fs::create_dir_all(&dir).unwrap();
        let (runtime, ours, image) = (var("ENGINES_RUNTIME"), var("MYDOCKER_BIN"), var("ENGINES_IMAGE"));
        Self { name, dir, runtime, ours, image }
    }

    /// Whether the runtime is ours.
    pub fn is_ours(&self) -> bool {
        self.runtime.ends_with("/mydocker-runc")
    }

    /// A line of shell in the group's directory. Its first word may be `engine`, which is the engine's client.
    pub fn line(&self, line: &str) -> Shell {
        let engine = match self.name {
            "podman" => format!("podman --runtime {}", self.runtime),
            "containerd" => "ctr --address /run/ctr.sock".to_owned(),
            name => name.to_owned(),
        };
        let made = ["engine ", "RUNTIME", "DIR"].into_iter().zip([
            format!("{engine} "),
            self.runtime.clone(),
            self.dir.display().to_string(),
        ]);
        Shell::new(&self.dir, &made.fold(line.to_owned(), |line, (word, means)| line.replace(word, &means)))
    }

    /// Runs a line that must work, and returns its answer.
    #[track_caller]
    pub fn ok(&self, line: &str) -> String {
        self.line(line).run().ok()
    }

    /// Runs a line that must end with this code; what it said to stderr.
    #[track_caller]
    pub fn exits(&self, code: i32, line: &str) -> String {
        self.line(line).run().exits(code).err
    }

    /// Starts a line on a terminal of 24 lines and 80 columns.
    pub fn terminal(&self, line: &str) -> Running {
        self.line(line).on_terminal(24, 80)
    }

    /// A container with this name that does nothing for a long time, and ends at once when asked.
    #[track_caller]
    pub fn idle(&self, name: &str, flags: &str) -> String {
        let loops = "'trap \"exit 0\" TERM; echo ready; sleep 1000 & wait'";
        self.ok(&format!("engine run -d --network none --name {name} {flags} busybox sh -c {loops}"))
    }

    /// A field of `inspect`.
    #[track_caller]
    pub fn field(&self, name: &str, field: &str) -> String {
        self.ok(&format!("engine inspect -f '{{{{.{field}}}}}' {name}"))
    }

    /// Removes containers, running or not.
    #[track_caller]
    pub fn remove(&self, names: &str) {
        self.ok(&format!("engine rm -f -t 0 {names} || engine rm -f {names}"));
    }

    /// Removes whatever a failed check has left, as far as that is possible.
    pub fn clean(&self) {
        let line = match self.name {
            "podman" | "docker" => "engine rm -f $(engine ps -aq)",
            "containerd" => {
                "for id in $(engine containers ls -q); do engine task delete -f $id; engine containers rm $id; done"
            }
            _ => return,
        };
        self.line(line).run();
    }

    /// A file in the group's directory.
    pub fn write(&self, name: &str, content: &str) -> String {
        let path = self.dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    /// Starts a daemon, which ends with the stage, and waits until a line works.
    pub fn daemon(&self, line: &str, answers: &str) {
        let log = fs::File::create(self.dir.join("log")).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", &format!("exec {line}")]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut child: Child = command.current_dir(&self.dir).spawn().unwrap();
        let begun = soon(BEGINNING, || {
            assert!(child.try_wait().unwrap().is_none(), "{line}: {}", self.log());
            self.line(answers).run().code == 0
        });
        assert!(begun, "{line}: {}", self.log());
    }

    /// The end of the daemon's log.
    fn log(&self) -> String {
        self.ok("grep -v level=info log | tail -5")
    }
}

/// Whether controllers are on cgroup v1 here.
pub fn is_v1() -> bool {
    !Path::new(CGROUPS).join("cgroup.controllers").exists()
}

/// One of two names of a file of a cgroup, as a container sees it: the one of v1, with its controller, or that of v2.
pub fn cgroup_file(v1: &str, v2: &str) -> String {
    format!("{CGROUPS}/{}", if is_v1() { v1 } else { v2 })
}

/// All cgroups with this in their names.
pub fn cgroups(part: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![PathBuf::from(CGROUPS)];
    while let Some(dir) = dirs.pop() {
        // It may have gone by now.
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if entry.file_name().to_str().is_some_and(|name| name.contains(part)) {
                    found.push(entry.path());
                }
                dirs.push(entry.path());
            }
        }
    }
    found
}
