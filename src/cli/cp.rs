//! `cp`.

use super::args::Parsed;
use super::exec::enter_user_namespace_of;
use super::images::few;
use super::progress::Progress;
use super::{OK, human, note, open_store, print_error, seal};
use alloc::borrow::ToOwned;
use alloc::string::String;
use mydocker::error::{Error, Result};
use mydocker::kernel::{at, file, sys};
use mydocker::life::copy::{self, Copied, Copy};
use mydocker::store::containers;
use rustix::fd::AsFd;
use rustix::termios::isatty;

/// `cp [-a] [-L] [-q] CONTAINER:SRC DEST|-` and `cp [-a] [-L] [-q] SRC|- CONTAINER:DEST`
pub fn cp(parsed: &Parsed) -> Result<u8> {
    let [source, destination] = [&parsed.words[0], &parsed.words[1]];
    for (word, what) in [(source, "source"), (destination, "destination")] {
        if word.is_empty() {
            return Err(Error::new([what, " can not be empty"].concat()));
        }
    }
    let (is_into, (word, inside), typed) = match (split(source), split(destination)) {
        (Some(_), Some(_)) => return Err(Error::new("copying between containers is not supported")),
        (None, None) => return Err(Error::new("must specify at least one container source")),
        (Some(container), None) => (false, container, destination),
        (None, Some(container)) => (true, container, source),
    };
    if inside.is_empty() {
        return Err(Error::new(["no path in container ", word, ": ", word, ":/ is all of it"].concat()));
    }
    if !rustix::process::geteuid().is_root() {
        enter_user_namespace_of(word, false)?;
    }
    seal()?;
    let store = open_store()?;
    let mut container = containers::find(&store, word)?;
    let request = Copy {
        word,
        inside,
        outside: (typed != "-").then(|| (typed.as_str(), super::absolute(typed))),
        keeps_owners: parsed.on("archive"),
        follows: parsed.on("follow-link"),
    };
    // As docker: whoever reads our output in a script wants no more than the copy.
    let is_quiet = if parsed.given("quiet") { parsed.on("quiet") } else { !isatty(sys::stdout()) };
    let mut progress = Progress::new("Copying", is_quiet);
    if let (true, Some((_, path))) = (is_into, &request.outside) {
        progress.expect(&|| bytes_of(path));
    }
    let mut tell = |bytes| progress.tell(bytes);
    let copied = if is_into {
        copy::into(&store, &mut container, &request, &mut tell)
    } else {
        copy::out_of(&store, &mut container, &request, &mut tell)
    };
    drop(progress);
    let copied = copied?;
    if !copied.left_out.is_empty() {
        note(&("not copied: ".to_owned() + &few(&copied.left_out, str::to_owned)));
    }
    let is_stream = request.outside.is_none();
    if !is_quiet && (is_into || !is_stream) {
        let to = if is_into { destination.clone() } else { super::absolute(typed) };
        print_error(&summary(&copied, &to));
    }
    Ok(OK)
}

/// Bytes of a file, or of everything in a directory.
fn bytes_of(path: &str) -> Option<u64> {
    match file::open_dir(path) {
        Ok(dir) => file::tree_bytes(dir.as_fd()).ok(),
        Err(_) => at::look(path).ok().map(|stat| stat.st_size as u64),
    }
}

/// `CONTAINER:PATH`. As scp: a path of the host with a colon in it begins with `/` or `.`.
fn split(word: &str) -> Option<(&str, &str)> {
    word.split_once(':').filter(|(container, _)| !container.is_empty() && !matches!(word.as_bytes()[0], b'/' | b'.'))
}

fn summary(copied: &Copied, to: &str) -> String {
    let mut size = human::size(copied.transferred);
    if let Some(content) = copied.content
        && content != copied.transferred
    {
        size = [&human::size(content), " (transferred ", &size, ")"].concat();
    }
    ["Successfully copied ", &size, " to ", &human::visible(to), "\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn containers_and_paths() {
        for (word, parts) in [
            ("box:/a:b", Some(("box", "/a:b"))),
            ("box:a", Some(("box", "a"))),
            ("box:", Some(("box", ""))),
            ("/a:b", None),
            ("./a:b", None),
            ("../a:b", None),
            ("a", None),
            ("-", None),
            (":a", None),
        ] {
            assert_eq!(split(word), parts, "{word}");
        }
    }

    #[test]
    fn summaries() {
        let copied = |content, transferred| Copied { content, transferred, left_out: Vec::new() };
        assert_eq!(
            summary(&copied(Some(3), 2048), "box:/x"),
            "Successfully copied 3B (transferred 2.05kB) to box:/x\n"
        );
        assert_eq!(summary(&copied(None, 2048), "/x"), "Successfully copied 2.05kB to /x\n");
    }
}
