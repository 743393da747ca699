/** `node dist/main.js FILE LOG ORDERS`: takes that many orders to their end, from wherever an earlier process has left them. */
import { appendFileSync } from "node:fs";
import { openDatabase } from "./database.ts";
import { ActorHost } from "./host.ts";
import { order, orderCells } from "./order.ts";

const ITEMS = 5;
const PATIENCE_MS = 400;
const [file = "orders.db", log = "effects.log", orders = "10"] = process.argv.slice(2);

const database = openDatabase(file);
console.log("the file is open");
const outside = {
  call: (effect: string, key: string, amount: number) => appendFileSync(log, `${effect} ${key} ${amount}\n`),
};
const host = new ActorHost(database, orderCells, order(outside));
const names = Array.from({ length: Number(orders) }, (_, n) => `order-${n}`);
for (const name of names) host.create(name, { items: ITEMS, patience: PATIENCE_MS });
const ended = host.untilAllEnded();

/** The customers. They send all again after a crash, under the same ids; one in three cancels, one in three says nothing. */
for (let item = 0; item < ITEMS; item++) {
  for (const name of names) host.send(name, { id: `item-${item}`, name: "item", data: 10 ** item });
  await new Promise((resolve) => setTimeout(resolve, 20));
}
for (const [n, name] of names.entries()) {
  if (n % 3 === 0) host.send(name, { id: "word", name: "confirm", data: "please" });
  if (n % 3 === 1) host.send(name, { id: "word", name: "cancel", data: "sorry" });
}
await ended;
database.close();
console.log("all orders have ended");
