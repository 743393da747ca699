//! The files that this process has open: environments (threads) that open the same one share its writer.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};

use super::Place;
use super::queue::Queue;
use super::writer::Writer;
use crate::contract::OpenOptions;
use crate::house::Member;

/// By path. Of one file there is more than one only while an older one is being closed, or refused.
static FILES: LazyLock<Mutex<HashMap<PathBuf, Vec<Weak<Shared>>>>> = LazyLock::new(Mutex::default);

/// A file and its writer. Ends with the last who leaves.
pub(super) struct Shared {
    pub(super) queue: Arc<Queue>,
    pub(super) shown: String,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Shared {
    /// Waits until the writer has ended.
    pub(super) fn wait(&self) {
        if let Some(writer) = locked(&self.writer).take() {
            // The writer catches its own panics; an error here has been told through the queue.
            drop(writer.join());
        }
    }
}

/// Makes whoever opens the file one of those who have it: of other environments, if there are any, or the first.
pub(super) fn join(place: Place, options: OpenOptions) -> io::Result<(Arc<Shared>, Member)> {
    let Some(environment) = options.environment else { return start(place, options) };
    let mut files = locked(&FILES);
    files.retain(|_, known| {
        known.retain(|shared| shared.strong_count() > 0);
        !known.is_empty()
    });
    let known = files.entry(followed(&place.path)).or_default();
    for shared in known.iter().filter_map(Weak::upgrade) {
        if let Some(member) = shared.queue.join(Some(environment), options.wake.clone()) {
            return Ok((shared, member));
        }
    }
    let (shared, member) = start(place, options)?;
    known.push(Arc::downgrade(&shared));
    Ok((shared, member))
}

fn start(place: Place, mut options: OpenOptions) -> io::Result<(Arc<Shared>, Member)> {
    let queue = Arc::new(Queue::new());
    // The wake belongs to its environment, and goes with it: the writer may outlive that.
    let wake = std::mem::replace(&mut options.wake, Arc::new(|| {}));
    let member = queue.join(options.environment, wake).unwrap_or_default();
    let shown = place.shown.clone();
    let writer = Writer::new(place, options, queue.clone());
    let thread = thread::Builder::new().name("pawl-store".to_owned()).spawn(move || writer.run())?;
    Ok((Arc::new(Shared { queue, shown, writer: Mutex::new(Some(thread)) }), member))
}

/// The path with its links followed, as far as there is anything yet: the same by whichever link one comes.
fn followed(path: &Path) -> PathBuf {
    let there = path.ancestors().find_map(|part| Some((part, std::fs::canonicalize(part).ok()?)));
    let Some((part, real)) = there else { return path.to_owned() };
    // Joining an empty path would end in a slash.
    path.strip_prefix(part)
        .ok()
        .filter(|rest| !rest.as_os_str().is_empty())
        .map_or(real.clone(), |rest| real.join(rest))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
