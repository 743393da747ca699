/**
 * A pool that gives each transaction of its clients one and the same session of the server, as PgBouncer does with
 * `pool_mode = transaction`. No passwords, no encryption.
 */
import { connect, createServer, type Server, type Socket } from "node:net";

const [READY, IDLE] = ["Z".charCodeAt(0), "I".charCodeAt(0)];
/** What is answered by `READY`: a simple query, and the end of extended ones. */
const ASKING = ["Q".charCodeAt(0), "S".charCodeAt(0)];
const LEAVING = "X".charCodeAt(0);

interface Client {
  readonly socket: Socket;
  /** What it has sent and the server has not. */
  waiting: Buffer;
}

export class TransactionPool {
  readonly #listener: Server;
  readonly #server: Socket;
  /** All that the server has said before it was ready for the first time. */
  #greeting: Buffer = Buffer.alloc(0);
  #isGreeted = false;
  #said: Buffer = Buffer.alloc(0);
  /** Whose transaction it is. */
  #served: Client | undefined;
  /** What it has asked and the server has not answered. */
  #asked = 0;
  readonly #clients: Client[] = [];

  private constructor(port: number) {
    this.#listener = createServer((socket) => this.#accept(socket));
    this.#server = connect(port, "127.0.0.1");
    this.#server.on("data", (data) => this.#hear(data));
    this.#server.on("error", () => {});
  }

  static async start(port: number): Promise<TransactionPool> {
    const pool = new TransactionPool(port);
    await new Promise<void>((resolve) => pool.#listener.listen(0, "127.0.0.1", resolve));
    return pool;
  }

  get port(): number {
    const address = this.#listener.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  stop(): void {
    for (const { socket } of this.#clients) socket.destroy();
    this.#server.destroy();
    this.#listener.close();
  }

  #accept(socket: Socket): void {
    const client: Client = { socket, waiting: Buffer.alloc(0) };
    socket.on("error", () => {});
    socket.once("data", (startup) => {
      this.#clients.push(client);
      if (this.#isGreeted) socket.write(this.#greeting);
      else {
        [this.#served, this.#asked] = [client, 1];
        this.#server.write(startup);
      }
      socket.on("data", (data) => {
        client.waiting = Buffer.concat([client.waiting, data]);
        this.#serve();
      });
    });
  }

  /** Lets the next client have its turn, if nobody is in a transaction. */
  #serve(): void {
    this.#served ??= this.#clients.find(({ waiting }) => waiting.length > 0);
    const client = this.#served;
    if (client === undefined) return;
    const [whole, rest] = split(client.waiting);
    client.waiting = rest;
    for (const message of whole) {
      // Whoever leaves, leaves the session behind.
      if (message[0] === LEAVING) this.#served = undefined;
      else this.#server.write(message);
      if (ASKING.includes(message[0] ?? 0)) this.#asked += 1;
    }
  }

  #hear(data: Buffer): void {
    const [whole, rest] = split(Buffer.concat([this.#said, data]));
    this.#said = rest;
    for (const message of whole) {
      this.#served?.socket.write(message);
      if (!this.#isGreeted) this.#greeting = Buffer.concat([this.#greeting, message]);
      if (message[0] !== READY) continue;
      this.#isGreeted = true;
      this.#asked -= 1;
      if (this.#asked > 0 || message[5] !== IDLE) continue;
      this.#served = undefined;
      this.#serve();
    }
  }
}

/** The messages that have come whole, and what is left. */
function split(data: Buffer): [Buffer[], Buffer] {
  const whole: Buffer[] = [];
  let start = 0;
  while (data.length >= start + 5 && data.length >= start + 1 + data.readUInt32BE(start + 1)) {
    const end = start + 1 + data.readUInt32BE(start + 1);
    whole.push(data.subarray(start, end));
    start = end;
  }
  return [whole, data.subarray(start)];
}
