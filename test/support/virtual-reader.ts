/** A virtual reader in this process: the server's side of vpcd's protocol, message by message or byte by byte. */

import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";

/** A connection: a card that is in the reader. */
export class CardSlot {
  readonly socket: Socket;
  readonly closed: Promise<unknown>;
  #received: Uint8Array = new Uint8Array(0);
  #wake: () => void = () => undefined;
  #isClosed = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on("error", () => undefined);
    socket.on("data", (bytes) => {
      this.#received = Buffer.concat([this.#received, bytes]);
      this.#wake();
    });
    this.closed = once(socket, "close").then(() => {
      this.#isClosed = true;
      this.#wake();
    });
  }

  send(...message: readonly number[]): void {
    this.sendBytes(framed(Uint8Array.from(message)));
  }

  sendBytes(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  /** The next message of the card. */
  async message(): Promise<Uint8Array> {
    for (;;) {
      const length = ((this.#received[0] ?? 0) << 8) | (this.#received[1] ?? 0);
      if (this.#received.length >= 2 && this.#received.length >= 2 + length) {
        const message = new Uint8Array(this.#received.subarray(2, 2 + length));
        this.#received = this.#received.subarray(2 + length);
        return message;
      }
      if (this.#isClosed) throw new Error("the card is out");
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Answers that came and that nobody has taken. */
  get unread(): number {
    return this.#received.length;
  }

  ask(...message: readonly number[]): Promise<Uint8Array> {
    return this.askBytes(Uint8Array.from(message));
  }

  askBytes(message: Uint8Array): Promise<Uint8Array> {
    this.sendBytes(framed(message));
    return this.message();
  }
}

export function framed(message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(2 + message.length);
  bytes.set([message.length >> 8, message.length & 0xff]);
  bytes.set(message, 2);
  return bytes;
}

export class VirtualReader {
  #server: Server | undefined;
  #port: number;
  readonly #slots: CardSlot[] = [];
  #wake: () => void = () => undefined;

  /** At this port; by default any. */
  constructor(port = 0) {
    this.#port = port;
  }

  /** At the same port again, if it listened before. */
  async open(): Promise<void> {
    const server = createServer((socket) => {
      this.#slots.push(new CardSlot(socket));
      this.#wake();
    });
    this.#server = server;
    server.listen(this.#port, "127.0.0.1");
    await once(server, "listening");
    this.#port = (server.address() as AddressInfo).port;
  }

  get place() {
    return { host: "127.0.0.1", port: this.#port };
  }

  /** The next card that is put in. */
  async card(): Promise<CardSlot> {
    for (;;) {
      const slot = this.#slots.shift();
      if (slot !== undefined) {
        this.#current = slot;
        return slot;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #current: CardSlot | undefined;

  /** The reader goes, with the card that is in it. */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = once(server, "close");
    server.close();
    for (const slot of [this.#current, ...this.#slots]) slot?.socket.destroy();
    await closed;
  }
}
