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

export interface Session {
  /** Resolves when it has answered with this word. */
  said(word: string): Promise<void>;
  /** Ends it, and rolls back what is open. */
  end(): Promise<void>;
}

export class PostgresServer {
  /** Holds `data`, the log, and whatever a test puts there. */
  readonly folder: string;
  readonly #port: number;
  readonly #settings: readonly string[];
  #guard: ChildProcess | undefined;

  private constructor(folder: string, port: number, settings: readonly string[]) {
    this.folder = folder;
    this.#port = port;
    this.#settings = settings;
  }

  /** `settings`: of the server, `name=value`. `prepare` is told the folder before the server starts the first time. */
  static async start(settings: readonly string[] = [], prepare?: (folder: string) => void): Promise<PostgresServer> {
    const folder = newFolder();
    run("initdb", ["-D", "data", "-U", "pawl", "-A", "trust", "-E", "UTF8", "--no-sync"], folder);
    prepare?.(folder);
    const server = new PostgresServer(folder, await freePort(), settings);
    await server.resume();
    return server;
  }

  /** Another server that follows this one, until it is promoted. */
  async standby(): Promise<PostgresServer> {
    const folder = newFolder();
    const source = ["-h", "127.0.0.1", "-p", `${this.#port}`, "-U", "pawl"];
    run("pg_basebackup", [...source, "-D", "data", "-R", "-X", "stream", "--no-sync", "-c", "fast"], folder);
    const server = new PostgresServer(folder, await freePort(), []);
    await server.resume();
    return server;
  }

  /** Makes a standby the primary. */
  promote(): void {
    run("pg_ctl", ["promote", "-D", "data"], this.folder);
  }

  /** Runs statements, as the owner of everything. */
  sql(text: string): string {
    const server = ["-h", "127.0.0.1", "-p", `${this.#port}`, "-U", "pawl", "-d", "postgres"];
    return run("psql", [...server, "-v", "ON_ERROR_STOP=1", "-A", "-t", "-c", text], this.folder);
  }

  /** A session that stays open, for what statements hold until it ends. */
  session(text: string): Session {
    const server = ["-h", "127.0.0.1", "-p", `${this.#port}`, "-U", "pawl", "-d", "postgres", "-A", "-t", "-q"];
    const child = spawn(find("psql") ?? "psql", server, { stdio: ["pipe", "pipe", "ignore"] });
    child.stdin.write(`${text}\n`);
    let said = "";
    const heard = new Set<() => void>();
    child.stdout.on("data", (data) => {
      said += data;
      for (const hear of heard) hear();
    });
    return {
      said: (word) =>
        new Promise((resolve) => {
          const hear = () => said.includes(word) && resolve();
          heard.add(hear);
          hear();
        }),
      end: () =>
        new Promise((resolve) => {
          child.once("exit", () => resolve());
          child.stdin.end();
        }),
    };
  }

  get host(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** The URL of a store in a schema, without hints if `PAWL_TEST_HINTS` is off; `more` are further options of it; `others`: where else the primary may be. */
  url(schema: string, more: string = "", others: readonly PostgresServer[] = []): string {
    const hosts = [this, ...others].map(({ host }) => host).join(",");
    const hints = process.env["PAWL_TEST_HINTS"] === "off" && !more.includes("hints=") ? "&hints=off" : "";
    return `postgres://pawl@${hosts}/postgres?sslmode=disable&schema=${schema}${more}${hints}`;
  }

  /** Starts it, the first time or again after `kill`. After a kill its children may hold shared memory for a moment. */
  async resume(): Promise<void> {
    const given = Date.now() + PATIENCE_MS;
    while (!(await this.#tryResume())) {
      if (Date.now() > given) throw new Error(`PostgreSQL does not start:\n${readFileSync(join(this.folder, "log"))}`);
      await setTimeout(100);
    }
  }

  async #tryResume(): Promise<boolean> {
    const settings = ["listen_addresses=127.0.0.1", "max_connections=200", ...this.#settings];
    const args = ["-D", "data", "-k", this.folder, "-p", `${this.#port}`, ...settings.flatMap((it) => ["-c", it])];
    const guard = spawn("sh", ["-c", GUARD, find("postgres") ?? "postgres", ...args], {
      cwd: this.folder,
      stdio: ["pipe", "ignore", "ignore"],
      ...user,
    });
    const state = join(this.folder, "data/postmaster.pid");
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
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "pawl-postgres-"));
  if (user.uid !== undefined) chownSync(folder, user.uid, user.gid);
  return folder;
}

/** Runs one of PostgreSQL's programs to its end; returns what it says. */
function run(program: string, args: readonly string[], folder: string): string {
  const path = find(program);
  if (path === undefined) throw new Error(MISSING);
  const env = { ...process.env, LC_ALL: "C" };
  const ended = spawnSync(path, args, { cwd: folder, env, encoding: "utf8", ...user });
  if (ended.status !== 0) throw new Error(`${program} has failed: ${ended.stderr}`);
  return ended.stdout.trim();
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
