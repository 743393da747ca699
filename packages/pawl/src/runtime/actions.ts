/** Actions as they are called: by name, each a promise. */
/** Actions by name: each is a call. */
export function actionsProxy(act: (name: string, args: unknown[]) => Promise<unknown>): object {
  const calls = new Map<string, (...args: unknown[]) => Promise<unknown>>();
  return new Proxy(Object.create(null), {
    get: (_, name) => {
      // A promise looks for `then`: a handle's actions are none.
      if (typeof name !== "string" || name === "then") return undefined;
      let call = calls.get(name);
      if (call === undefined) {
        call = (...args) => act(name, args);
        calls.set(name, call);
      }
      return call;
    },
  });
}
