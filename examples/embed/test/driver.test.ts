/** The law that the engine needs of its driver: a batch is all or nothing. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { betterSqlite3 } from "../../../benches/src/better-sqlite3.ts";
import { openDatabase } from "../src/database.ts";
import { SqliteDriver } from "../src/driver.ts";

const folder = mkdtempSync(join(tmpdir(), "embed-driver-"));
const sqlite = betterSqlite3((what) => console.log(what));
beforeAll(() => {
  if ("folder" in sqlite) process.env["BETTER_SQLITE3"] = sqlite.folder;
});
afterAll(() => rmSync(folder, { recursive: true }));

test.skipIf("missing" in sqlite)(
  "of a batch with a row that cannot be written nothing is, and the driver says why",
  async () => {
    const database = openDatabase(join(folder, "rows.db"));
    database.exec(
      "CREATE TRIGGER full BEFORE INSERT ON row WHEN NEW.value = x'ff' BEGIN SELECT RAISE(FAIL, 'full'); END",
    );
    const driver = new SqliteDriver(database, "ann");
    const rows = [1, 255, 3].map((n) => ({ key: Uint8Array.of(n), value: Uint8Array.of(n) }));
    await expect(driver.batch(rows)).rejects.toThrow("full");
    expect(await driver.list(new Uint8Array(0))).toEqual([]);
    database.close();
  },
);
