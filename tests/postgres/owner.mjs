/** A process that has room/r of a store, with a client in it: node owner.mjs STORE. Says "connected", and "closed WHY". */
import { actor, createRuntime, type } from "pawl";

const silent = { debug() {}, info() {}, warn() {}, error() {} };
/** The same as in `interrupted.test.ts`. */
const room = actor("room", {
  events: { said: type() },
  state: () => ({ said: 0, closed: [] }),
  connection: {
    params: type(),
    state: (name) => ({ name }),
    close: (c) => void c.state.closed.push(c.connection.state.name),
  },
  actions: {
    say: (c, line) => {
      c.state.said += 1;
      c.broadcast("said", line);
    },
    said: (c) => c.state.said,
    who: (c) => Array.from(c.connections, ({ state }) => state.name).sort(),
    closed: (c) => [...c.state.closed],
  },
});
const runtime = createRuntime({ actors: [room], store: process.argv[2], logger: silent });
const near = await runtime.get(room, "r").connect("near");
void near.closed.then((why) => process.send(`closed ${why}`));
process.on("message", () => void runtime.get(room, "r").actions.say("from the one that was stopped"));
process.on("disconnect", () => process.exit(0));
process.send("connected");
