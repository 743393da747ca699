//! A PostgreSQL of this test run: in a temporary folder, on loopback, ended with the process that started it.
//!
//! `PAWL_TEST_POSTGRES` names one that runs already (a URL without a query, of an empty database); otherwise `initdb` and `postgres` are taken
//! from PATH or from Debian's folders.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

const MISSING: &str = "PostgreSQL is not installed, and these tests need it.\n  found     neither initdb and postgres on \
                       PATH nor /usr/lib/postgresql/*/bin\n  do        apt-get install postgresql-15 (Debian 12), or \
                       postgresql; or set PAWL_TEST_POSTGRES to the URL of a server";

pub struct Server {
    folder: PathBuf,
    port: u16,
    /// Removes the folder when this process has ended.
    _janitor: Child,
    child: Mutex<Option<Child>>,
}

static STARTED: AtomicUsize = AtomicUsize::new(0);
static SERVER: LazyLock<Server> = LazyLock::new(Server::start);

/// The URL of a database with a schema of its own name.
pub fn url(schema: &str) -> String {
    match std::env::var("PAWL_TEST_POSTGRES") {
        Ok(url) => format!("{url}?schema={schema}"),
        Err(_) => SERVER.url(schema),
    }
}

/// Runs statements on the server of this test run.
pub fn sql(text: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let url = url("public");
        let address = url.split('?').next().unwrap();
        let (client, connection) = tokio_postgres::connect(address, tokio_postgres::NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        client.batch_execute(text).await.unwrap();
        drop(client);
        connection.await.unwrap().unwrap();
    });
}

/// The command `program`, as a user that PostgreSQL runs under: it refuses root.
fn command(program: &Path) -> Command {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    if !is_root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(program);
    command
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let folders = std::env::split_paths(&path).chain(debian.map(|version| version.path().join("bin")));
    folders.map(|folder| folder.join(program)).find(|candidate| candidate.is_file())
}

impl Server {
    pub fn start() -> Server {
        let (Some(initdb), Some(_)) = (find("initdb"), find("postgres")) else { panic!("{MISSING}") };
        let folder = std::env::temp_dir().join(format!(
            "pawl-postgres-{}-{}",
            std::process::id(),
            STARTED.fetch_add(1, Ordering::Relaxed)
        ));
        let _ = std::fs::remove_dir_all(&folder);
        let made = command(Path::new("mkdir")).arg(&folder).status();
        assert!(made.is_ok_and(|status| status.success()), "{} cannot be made", folder.display());
        let mut init = command(&initdb);
        init.arg("-D").arg(folder.join("data")).args(["-U", "pawl", "-A", "trust", "-E", "UTF8", "--no-sync"]);
        let output = init.env("LC_ALL", "C").current_dir("/").output().expect("initdb starts");
        assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port();
        let janitor = "cat >/dev/null; while [ -e data/postmaster.pid ] && kill -0 $(head -n 1 data/postmaster.pid); do \
                       sleep 0.1; done 2>/dev/null; cd /; rm -rf \"$0\"";
        let mut shell = command(Path::new("sh"));
        shell.args(["-c", janitor]).arg(&folder).current_dir(&folder).stdin(Stdio::piped());
        shell.stdout(Stdio::null()).stderr(Stdio::null());
        let janitor = shell.spawn().expect("sh starts");
        let server = Server { folder, _janitor: janitor, port, child: Mutex::new(None) };
        server.resume();
        server
    }

    /// Starts it, the first time or again after [`Server::kill`], and waits until it takes connections.
    pub fn resume(&self) {
        let started = Instant::now();
        while !self.try_resume() {
            // After a kill its children may hold shared memory for a moment.
            let said = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(started.elapsed() < Duration::from_secs(60), "PostgreSQL does not start:\n{said}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn try_resume(&self) -> bool {
        // The shell ends the server when its input ends: with this process, however that ends.
        let script = "\"$0\" -D data -k \"$PWD\" -p \"$1\" -c listen_addresses=127.0.0.1 -c max_connections=200 \
                      >>log 2>&1 & pid=$!; exec 3<&0; (cat <&3 >/dev/null; kill -QUIT $pid) & wait $pid";
        let mut shell = command(Path::new("sh"));
        shell.args(["-c", script]).arg(find("postgres").expect(MISSING)).arg(self.port.to_string());
        let mut child =
            shell.current_dir(&self.folder).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("sh starts");
        while child.try_wait().is_ok_and(|ended| ended.is_none()) {
            if self.answers() {
                *self.child.lock().unwrap() = Some(child);
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    fn answers(&self) -> bool {
        let ready = |pid: String| pid.contains("ready");
        std::fs::read_to_string(self.folder.join("data/postmaster.pid")).is_ok_and(ready)
            && TcpStream::connect(("127.0.0.1", self.port)).is_ok()
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&self) {
        let Some(mut child) = self.child.lock().unwrap().take() else { return };
        drop(child.stdin.take());
        let _ = child.wait();
    }

    pub fn url(&self, schema: &str) -> String {
        format!("postgres://pawl@127.0.0.1:{}/postgres?schema={schema}&sslmode=disable", self.port)
    }
}
