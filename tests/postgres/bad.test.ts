/** Databases that cannot be had, or not in this way: each says so, with its cause and what to do, and changes nothing. */
import { spawnSync } from "node:child_process";
import { appendFileSync, chmodSync, chownSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { actor, createRuntime, PawlError } from "pawl";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isInstalled, MISSING, PostgresServer } from "./server.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const counter = actor("counter", {
  state: () => ({ n: 0 }),
  actions: { add: (c) => ++c.state.n },
});

let server: PostgresServer;

/** What opening a store and calling an actor comes to: the count, or the error. */
async function tried(store: string): Promise<PawlError | number> {
  const runtime = createRuntime({ actors: [counter], store, logger: silent });
  try {
    return await runtime.get(counter, "c").actions.add();
  } catch (error) {
    if (error instanceof PawlError) return error;
    throw error;
  } finally {
    await runtime.close();
  }
}

async function refusal(store: string): Promise<PawlError> {
  const error = await tried(store);
  if (!(error instanceof PawlError)) throw new Error(`${store} was opened`);
  expect(error.message).toMatch(/found {5}.*\n.*do {8}/s);
  expect(error.message).not.toContain("s3cret");
  return error;
}

function openssl(folder: string, ...args: string[]): void {
  const ended = spawnSync("openssl", args, { cwd: folder, encoding: "utf8" });
  if (ended.status !== 0) throw new Error(`openssl has failed: ${ended.stderr}`);
}

/** Two authorities; one has signed the server's certificate, which is for 127.0.0.1 alone. */
function certify(folder: string): void {
  const key = ["-newkey", "rsa:2048", "-nodes", "-days", "2"];
  for (const name of ["ca", "other"])
    openssl(folder, "req", "-x509", ...key, "-subj", `/CN=${name}`, "-keyout", `${name}.key`, "-out", `${name}.pem`);
  openssl(folder, "req", ...key, "-subj", "/CN=server", "-keyout", "server.key", "-out", "server.csr");
  writeFileSync(join(folder, "san"), "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n");
  const signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "san"];
  openssl(folder, "x509", "-req", "-in", "server.csr", ...signed, "-out", "server.crt");
  const { uid, gid } = statSync(join(folder, "data"));
  chmodSync(join(folder, "server.key"), 0o600);
  for (const name of ["server.key", "server.crt"]) chownSync(join(folder, name), uid, gid);
}

/** Guests need a password; the database `postgres` is for encrypted connections, beside the owner's own. */
function admit(folder: string): void {
  const rules = [
    "host all guest 127.0.0.1/32 scram-sha-256",
    "hostssl all pawl 127.0.0.1/32 trust",
    "hostnossl template1,postgres pawl 127.0.0.1/32 trust",
  ];
  writeFileSync(join(folder, "data/pg_hba.conf"), `${rules.join("\n")}\n`);
  appendFileSync(
    join(folder, "data/postgresql.conf"),
    "ssl_cert_file = '../server.crt'\nssl_key_file = '../server.key'\n",
  );
}

beforeAll(async () => {
  if (!isInstalled()) {
    if (process.env["CI"] === undefined) return console.warn(MISSING);
    throw new Error(MISSING);
  }
  server = await PostgresServer.start(["ssl=on"], (folder) => {
    certify(folder);
    admit(folder);
  });
  server.sql("CREATE ROLE guest LOGIN PASSWORD 's3cret'");
  server.sql("CREATE DATABASE secure");
}, 60_000);
afterAll(() => server?.stop());

describe.runIf(isInstalled())("a database", () => {
  test("that nobody serves is not reachable, and may be later", async () => {
    const socket = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => socket.once("listening", resolve));
    const address = socket.address();
    const port = typeof address === "object" ? address?.port : 0;
    await new Promise((resolve) => socket.close(resolve));
    const error = await refusal(`postgres://ann:s3cret@127.0.0.1:${port}/d?sslmode=disable`);
    expect([error.code, error.retryable]).toEqual(["store_unavailable", true]);
    expect(error.message).toContain("cannot be reached");
  });

  test("that does not know the password, the database or the right lets nobody in, however often it is tried", async () => {
    const url = server.url("bad");
    const wrong = await refusal(url.replace("pawl@", "guest:s3cret-not@"));
    expect([wrong.code, wrong.retryable, wrong.message.includes("password")]).toEqual([
      "store_unavailable",
      false,
      true,
    ]);
    const forbidden = await refusal(url.replace("pawl@", "guest:s3cret@"));
    expect([forbidden.code, forbidden.retryable]).toEqual(["store_unavailable", false]);
    expect(forbidden.message).toContain("GRANT CREATE");
    const nowhere = await refusal(url.replace("/postgres?", "/nowhere?").replace("sslmode=disable", "sslmode=require"));
    expect([nowhere.code, nowhere.retryable]).toEqual(["store_unavailable", false]);
  });

  test("with the tables of a newer version is left as it is", async () => {
    expect(await tried(server.url("newer"))).toBe(1);
    server.sql("UPDATE newer.meta SET value = '99' WHERE key = 'format'");
    const error = await refusal(server.url("newer"));
    expect([error.code, error.retryable]).toEqual(["store_version", false]);
    expect(server.sql("SELECT seq FROM newer.actor")).toBe("2");
  });

  test("that wants encryption gets it, and shows who it is to whoever asks", async () => {
    const secure = server.url("tls").replace("/postgres?", "/secure?");
    const authority = (name: string) => `&sslrootcert=${join(server.folder, `${name}.pem`)}`;
    const mode = (sslmode: string, more = "") => secure.replace("sslmode=disable", `sslmode=${sslmode}`) + more;
    const named = (url: string) => url.replace("127.0.0.1", "localhost");
    expect((await refusal(secure)).code).toBe("store_unavailable");
    expect(await tried(mode("prefer"))).toBe(1);
    expect(await tried(mode("require"))).toBe(2);
    expect(await tried(mode("verify-ca", authority("ca")))).toBe(3);
    expect(await tried(mode("verify-full", authority("ca")))).toBe(4);
    for (const store of [
      mode("verify-full", authority("other")),
      mode("verify-ca", authority("other")),
      named(mode("verify-full", authority("ca"))),
    ]) {
      const error = await refusal(store);
      expect([error.code, error.message.includes("certificate")], store).toEqual(["store_unavailable", true]);
    }
    // It is a known authority's, though of another name.
    expect(await tried(named(mode("verify-ca", authority("ca"))))).toBe(5);
    expect((await refusal(mode("verify-full", authority("nowhere")))).code).toBe("bad_argument");
  });
});
