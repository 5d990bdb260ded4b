//! What an attacker inside a container would try with system calls that no shell has. A static program that the tests mount
//! into containers: `attempts` tries everything, `attempts NAME…` these, `attempts outside PID` what can be done to another
//! process, `attempts lie-in-wait SECONDS` watches for processes that come in,
//! `attempts flip DIR` lets two things in a directory change places all the time. Each attempt is made in a process of its own and
//! answered by one line, `name: ok` or `name: EPERM`. Nothing here does harm where it works.

mod calls;
mod kernel;
mod places;

use kernel::{Answer, errno_name, in_a_child};

/// One attempt: its name, and what it does.
type Attempt = (&'static str, fn() -> Answer);

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [verb, argument] = words.as_slice() {
        match verb.as_str() {
            "outside" => return outside(argument.parse().expect("a pid")),
            "flip" => return places::flip(argument),
            "lie-in-wait" => return places::lie_in_wait(argument.parse().expect("seconds")),
            _ => {}
        }
    }
    for (name, attempt) in calls::ATTEMPTS.iter().chain(calls::OLD_ATTEMPTS).chain(places::ATTEMPTS) {
        if words.is_empty() || words.iter().any(|word| word == name) {
            tell(name, &in_a_child(attempt));
        }
    }
}

fn outside(pid: i32) {
    for (name, attempt) in calls::OUTSIDE {
        tell(name, &in_a_child(|| attempt(pid)));
    }
}

fn tell(name: &str, answer: &Answer) {
    match answer {
        Ok(_) => println!("{name}: ok"),
        Err(errno) => println!("{name}: {}", errno_name(*errno)),
    }
}
