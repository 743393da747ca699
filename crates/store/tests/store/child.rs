//! Second processes for tests: the test binary itself, run again with one of its tests as the child's part.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const PATH: &str = "PAWL_TEST_STORE";
/// What the child says begins with this; the test harness's own lines do not.
const MARK: &str = "child: ";

/// A running child.
pub struct Second {
    pub process: Child,
    lines: BufReader<ChildStdout>,
    stdin: ChildStdin,
}

/// Runs the test `part` of this binary as a child that works on the store at `path`.
pub fn start(part: &str, path: &Path, adjust: impl FnOnce(&mut Command)) -> Second {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([part, "--exact", "--nocapture", "--test-threads=1"]).env(PATH, path);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    adjust(&mut command);
    let mut process = command.spawn().unwrap();
    let (lines, stdin) = (BufReader::new(process.stdout.take().unwrap()), process.stdin.take().unwrap());
    Second { process, lines, stdin }
}

impl Second {
    /// The next thing that the child says; `None` at its end.
    pub fn hear(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            // The harness may have begun the line with the name of the test.
            if let (Some(at), true) = (line.find(MARK), line.ends_with('\n')) {
                return Some(line[at + MARK.len()..].trim_end().to_owned());
            }
        }
    }

    pub fn expect(&mut self, said: &str) {
        assert_eq!(self.hear().as_deref(), Some(said));
    }

    pub fn tell(&mut self, word: &str) {
        writeln!(self.stdin, "{word}").unwrap();
    }

    pub fn finish(mut self) {
        while self.hear().is_some() {}
        assert!(self.process.wait().unwrap().success(), "the child failed: see its output above");
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// In a child: the path it is to work on. In a run of the whole binary: `None`.
pub fn path() -> Option<PathBuf> {
    std::env::var_os(PATH).map(PathBuf::from)
}

/// In a child: says something to its parent.
pub fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{MARK}{text}").unwrap();
    out.flush().unwrap();
}

/// In a child: waits for a word of its parent.
pub fn listen() -> String {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}
