//! The lock file beside the store: `<path>-lock`, held by `flock` for as long as the store is open.
//!
//! SQLite's own locks belong to the process and are lost when any part of it closes the file; this one belongs to the
//! open lock file, and so refuses a second opening in the same process, too. Inside are words for people who ask who has it.
//! The one law: only its holder removes the file, and a lock on a file that has been removed is none.

use std::fs::{self, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use super::file::suffixed;
use super::{Place, trouble};
use crate::error::StoreError;
use crate::id;

/// Of this copy of this code in this process: process numbers repeat, in containers above all.
static MARK: LazyLock<String> = LazyLock::new(|| u128::from_le_bytes(id::random()).to_string());
/// Command lines are cut here.
const COMMAND_CHARS: usize = 200;

pub(super) struct Lock {
    file: fs::File,
    path: PathBuf,
}

/// Who has a lock, as the lock file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) pid: Option<u32>,
    pub(super) command: Option<String>,
    pub(super) since: Option<String>,
    pub(super) here: bool,
}

impl Lock {
    /// Takes the lock, or says who has it. Does not wait.
    pub(super) fn acquire(place: &Place) -> Result<Self, StoreError> {
        let path = suffixed(&place.path, "-lock");
        let refused = |error: io::Error| trouble::unreachable(&place.shown, "be locked", &error);
        loop {
            let mut file = open(&path).map_err(refused)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(trouble::in_use(place, &read(&mut file))),
                Err(TryLockError::Error(error)) => return Err(refused(error)),
            }
            if is_at(&file, &path) {
                file.set_len(0).and_then(|()| file.write_all(words().as_bytes())).map_err(refused)?;
                return Ok(Self { file, path });
            }
        }
    }

    /// Removes the lock file and lets go of the lock. (Dropping a lock lets go of it, and leaves the file.)
    pub(super) fn release(self) {
        if is_at(&self.file, &self.path) {
            // A lock file that stays is in nobody's way.
            drop(fs::remove_file(&self.path));
        }
    }
}

impl Drop for Lock {
    /// Lets go by word, not by closing: a process that is just being started from this one has the lock file open, too,
    /// until it becomes another program.
    fn drop(&mut self) {
        drop(self.file.unlock());
    }
}

fn open(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Whether `path` still names the open `file`.
fn is_at(file: &fs::File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let ids = |found: fs::Metadata| (found.dev(), found.ino());
        matches!((file.metadata().map(ids), fs::metadata(path).map(ids)), (Ok(open), Ok(named)) if open == named)
    }
    #[cfg(not(unix))]
    {
        // There, an open file cannot be removed.
        let _ = (file, path);
        true
    }
}

fn words() -> String {
    let command: Vec<_> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (pid, command, since, mark) = (std::process::id(), printable(&command.join(" ")), utc(since), &*MARK);
    format!("pid {pid}\ncommand {command}\nsince {since}\nmark {mark}\n")
}

fn read(file: &mut fs::File) -> Holder {
    let mut text = String::new();
    // Whoever has the lock may be about to write this; then there is nothing to say.
    drop(file.take(4096).read_to_string(&mut text));
    let mut holder = Holder::default();
    for (name, value) in text.lines().filter_map(|line| line.split_once(' ')) {
        match name {
            "pid" => holder.pid = value.parse().ok(),
            "command" => holder.command = Some(printable(value)),
            "since" => holder.since = Some(printable(value)),
            "mark" => holder.here = value == *MARK,
            _ => {}
        }
    }
    holder
}

/// What may be shown in a terminal: one line, without what a terminal would obey.
fn printable(text: &str) -> String {
    let plain = |char: char| {
        let directs = matches!(char, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if char.is_control() || directs { '?' } else { char }
    };
    text.chars().take(COMMAND_CHARS).map(plain).collect()
}

/// `2026-07-25 14:02 UTC`, of seconds since 1970. The days are counted as Howard Hinnant's `civil_from_days` does.
fn utc(seconds: u64) -> String {
    let (days, minutes) = (seconds / 86_400, seconds % 86_400 / 60);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_the_calendar_has_them() {
        assert_eq!(utc(0), "1970-01-01 00:00 UTC");
        assert_eq!(utc(951_782_400), "2000-02-29 00:00 UTC");
        assert_eq!(utc(1_785_024_179), "2026-07-26 00:02 UTC");
        assert_eq!(utc(4_107_542_340), "2100-02-28 23:59 UTC");
        assert_eq!(utc(4_107_542_400), "2100-03-01 00:00 UTC");
    }

    #[test]
    fn a_command_line_cannot_direct_a_terminal() {
        assert_eq!(printable("node \u{1b}[2J\nx\u{202e}"), "node ?[2J?x?");
        assert_eq!(printable(&"x".repeat(1000)).len(), COMMAND_CHARS);
    }
}
