/**
 * A process that is killed: accounts on a shared store.
 *
 *   node bank.mjs STORE
 *
 * In: what `act` takes. Out: { open }, { ack: id, value }, { refused: id, code, message }.
 */
import { act, open } from "./bank-actors.mjs";

const runtime = open(process.argv[2]);

process.on("disconnect", () => process.exit(1));
process.on("message", (command) => {
  act(runtime, command).then(
    (value) => process.send({ ack: command.id, value }),
    (error) => process.send({ refused: command.id, code: error.code ?? "none", message: String(error.message) }),
  );
});

for (;;) {
  try {
    await runtime.start();
    break;
  } catch (error) {
    // The database is being restarted.
    if (error.retryable !== true) throw error;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
process.send({ open: true });
