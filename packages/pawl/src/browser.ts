/** What a browser's bundle gets instead of Pawl: an error that says so, for nothing of it can work there. */
throw new Error(
  [
    "Pawl runs on servers: it is a native module of Node.js, and this is a browser's bundle.",
    "  found   an import of `pawl` in code that is built for browsers",
    "  do      import it in server code only, and call the server from here",
    '          a type?  import type { ... } from "pawl"',
  ].join("\n"),
);
