/** A registry of npm packages on loopback that has what `scripts/pack.mjs` packed, and nothing else: no network is needed, or used. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

/** What package managers ask of a registry about one package. */
interface Packument {
  readonly name: string;
  readonly "dist-tags": { readonly latest: string };
  readonly versions: Readonly<Record<string, object>>;
}

export interface Registry extends AsyncDisposable {
  readonly url: string;
}

/** Serves the packages in `folder`. A platform that was not built here is there by its manifest only: nobody fetches the rest. */
export async function serve(folder: string): Promise<Registry> {
  const { tarballs } = json(join(folder, "manifest.json")) as { tarballs: Readonly<Record<string, string>> };
  const manifests = readdirSync(folder)
    .filter((name) => statSync(join(folder, name)).isDirectory())
    .map((name) => json(join(folder, name, "package.json")) as { name: string; version: string });
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://loopback").pathname).slice(1);
    const manifest = manifests.find(({ name }) => name === path);
    const tarball = Object.values(tarballs).find((file) => file === path);
    if (tarball !== undefined) return response.end(readFileSync(join(folder, tarball)));
    response.statusCode = manifest === undefined ? 404 : 200;
    response.setHeader("content-type", "application/json");
    return response.end(JSON.stringify(manifest === undefined ? { error: "not found" } : packument(manifest)));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;

  function packument(manifest: { name: string; version: string }): Packument {
    const file = tarballs[manifest.name];
    const bytes = file === undefined ? Buffer.alloc(0) : readFileSync(join(folder, file));
    const integrity = `sha512-${createHash("sha512").update(bytes).digest("base64")}`;
    const dist = { tarball: `${url}${file ?? "not-built-here.tgz"}`, integrity };
    const { name, version } = manifest;
    return { name, "dist-tags": { latest: version }, versions: { [version]: { ...manifest, dist } } };
  }

  return {
    url,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

function json(path: string): unknown {
  return JSON.parse(readFileSync(path, "utf8"));
}
