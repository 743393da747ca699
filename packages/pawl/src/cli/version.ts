/** The version of this package. Its manifest is found by the package's own name, which is the same in `src` and in `dist`. */
export const { version } = require("pawl/package.json") as { readonly version: string };
