/**
 * A serial line with somebody on it who counts: what a host sends to a board passes here, message by message, and at a chosen one
 * something happens to the board, before the message reaches it or when it has answered.
 */

import { createConnection, createServer, type Server, type Socket } from "node:net";

/** Between messages (hardware/card/frames.h). */
const FLAG = 0x7e;

/** The message of this number, counted from one; "before": it never reaches the board; "after": its answer never comes back. */
export interface Moment {
  readonly message: number;
  readonly when: "before" | "after";
}

/** Counts messages in a stream of bytes: what is between two flags and is not empty. */
class Counter {
  #isInside = false;

  /** Index behind the first message that ends in these bytes, or undefined. */
  take(bytes: Uint8Array, from: number): number | undefined {
    for (let at = from; at < bytes.length; at++) {
      if (bytes[at] !== FLAG) this.#isInside = true;
      else if (this.#isInside) {
        this.#isInside = false;
        return at + 1;
      }
    }
    return undefined;
  }
}

export class CountedLine {
  /** Messages from hosts so far. */
  messages = 0;
  readonly path: string;
  readonly #board: string;
  readonly #server: Server;
  #sockets: Socket[] = [];
  #moment: Moment | undefined;
  #strike: () => void = () => undefined;

  private constructor(path: string, board: string) {
    this.path = path;
    this.#board = board;
    this.#server = createServer((host) => this.#connected(host));
  }

  /** A line at `path` to the board whose own line is at `board`: both Unix sockets. */
  static async open(path: string, board: string): Promise<CountedLine> {
    const line = new CountedLine(path, board);
    await new Promise<void>((resolve, reject) => {
      line.#server.once("error", reject);
      line.#server.listen(path, resolve);
    });
    return line;
  }

  /** At that moment from now on, once, `strike` is called, and the line is dead until a host connects again. */
  arm({ message, when }: Moment, strike: () => void): void {
    this.#moment = { message: this.messages + message, when };
    this.#strike = strike;
  }

  /** The moment has not come. */
  get isArmed(): boolean {
    return this.#moment !== undefined;
  }

  disarm(): void {
    this.#moment = undefined;
  }

  #connected(host: Socket): void {
    const board = createConnection(this.#board);
    const sockets = [host, board];
    this.#sockets.push(...sockets);
    const end = () => {
      for (const socket of sockets) socket.destroy();
      this.#sockets = this.#sockets.filter((each) => !sockets.includes(each));
    };
    for (const socket of sockets) socket.on("error", end).on("close", end);
    const [fromHost, fromBoard] = [new Counter(), new Counter()];
    const strike = () => {
      this.#moment = undefined;
      end();
      this.#strike();
    };
    let isLast = false;
    host.on("data", (bytes) => {
      for (let at = 0; at < bytes.length; ) {
        const stop = fromHost.take(bytes, at);
        const next = stop ?? bytes.length;
        if (stop !== undefined) this.messages += 1;
        const isMoment = stop !== undefined && this.messages === this.#moment?.message;
        if (isMoment && this.#moment?.when === "before") return strike();
        isLast = isLast || isMoment;
        board.write(bytes.subarray(at, next));
        at = next;
      }
    });
    board.on("data", (bytes) => {
      if (isLast && fromBoard.take(bytes, 0) !== undefined) return strike();
      if (!isLast) host.write(bytes);
    });
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
