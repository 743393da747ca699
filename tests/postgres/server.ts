/**
 * A PostgreSQL of this test run: in a temporary folder, on loopback, ended with the process that started it.
 *
 * `PAWL_TEST_POSTGRES` names one that runs already (a URL without a query); otherwise `initdb` and `postgres` are taken from
 * PATH or from Debian's folders.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout } from "node:timers/promises";

export const MISSING = `PostgreSQL is not installed, and these tests need it.
  found     neither initdb and postgres on PATH nor /usr/lib/postgresql/*/bin
  do        apt-get install postgresql-15 (Debian 12), or postgresql; or set PAWL_TEST_POSTGRES to the URL of a server`;

/** It refuses to run as root: nobody runs it then. */
const NOBODY = 65_534;
const user = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
/** Ends the server when its own input ends: with this process, however that ends. */
const GUARD = `"$0" "$@" >>log 2>&1 & pid=$!; exec 3<&0; (cat <&3 >/dev/null; kill -QUIT $pid) & wait $pid`;
const PATIENCE_MS = 60_000;

export function isInstalled(): boolean {
  return find("initdb") !== undefined && find("postgres") !== undefined;
}

function find(program: string): string | undefined {
  const debian = "/usr/lib/postgresql";
  const versions = existsSync(debian) ? readdirSync(debian).map((version) => join(debian, version, "bin")) : [];
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), ...versions];
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path));
}

export class PostgresServer {
  readonly #folder: string;
  readonly #port: number;
  #guard: ChildProcess | undefined;

  private constructor(folder: string, port: number) {
    this.#folder = folder;
    this.#port = port;
  }

  static async start(): Promise<PostgresServer> {
    const initdb = find("initdb");
    if (initdb === undefined) throw new Error(MISSING);
    const folder = mkdtempSync(join(tmpdir(), "pawl-postgres-"));
    if (user.uid !== undefined) chownSync(folder, user.uid, user.gid);
    const made = spawnSync(initdb, ["-D", "data", "-U", "pawl", "-A", "trust", "-E", "UTF8", "--no-sync"], {
      cwd: folder,
      env: { ...process.env, LC_ALL: "C" },
      encoding: "utf8",
      ...user,
    });
    if (made.status !== 0) throw new Error(`initdb has failed: ${made.stderr}`);
    const server = new PostgresServer(folder, await freePort());
    await server.resume();
    return server;
  }

  /** The URL of a store in a schema; `more` are further options of it. */
  url(schema: string, more: string = ""): string {
    return `postgres://pawl@127.0.0.1:${this.#port}/postgres?sslmode=disable&schema=${schema}${more}`;
  }

  /** Starts it, the first time or again after `kill`. After a kill its children may hold shared memory for a moment. */
  async resume(): Promise<void> {
    const given = Date.now() + PATIENCE_MS;
    while (!(await this.#tryResume())) {
      if (Date.now() > given) throw new Error(`PostgreSQL does not start:\n${readFileSync(join(this.#folder, "log"))}`);
      await setTimeout(100);
    }
  }

  async #tryResume(): Promise<boolean> {
    const settings = ["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200"];
    const args = ["-D", "data", "-k", this.#folder, "-p", `${this.#port}`, ...settings];
    const guard = spawn("sh", ["-c", GUARD, find("postgres") ?? "postgres", ...args], {
      cwd: this.#folder,
      stdio: ["pipe", "ignore", "ignore"],
      ...user,
    });
    const state = join(this.#folder, "data/postmaster.pid");
    while (guard.exitCode === null && guard.signalCode === null) {
      if (existsSync(state) && readFileSync(state, "utf8").includes("ready")) {
        this.#guard = guard;
        guard.unref();
        return true;
      }
      await setTimeout(20);
    }
    return false;
  }

  /** Ends it at once, as a crash would. */
  async kill(): Promise<void> {
    const guard = this.#guard;
    this.#guard = undefined;
    if (guard === undefined) return;
    const gone = new Promise((resolve) => guard.once("exit", resolve));
    guard.ref();
    guard.stdin?.end();
    await gone;
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createServer().on("error", reject);
    socket.listen(0, "127.0.0.1", () => {
      const address = socket.address();
      socket.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
