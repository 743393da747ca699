/** A process that connects three times to room/r of a store, and stays until it is killed. */
import { actor, createRuntime, type } from "pawl";

const [, , store] = process.argv;
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const room = actor("room", { events: { said: type() }, connection: { params: type() } });
const runtime = createRuntime({ actors: [room], store, logger: silent });
await Promise.all(["0", "1", "2"].map((name) => runtime.get(room, "r").connect(name)));
