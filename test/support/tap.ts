/** A wire on loopback that keeps every byte that goes over it: between its `url` and a server of HTTP. */

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export type Direction = "to server" | "to client";

/** One message of HTTP, as it went over the wire. */
export interface TappedMessage {
  readonly head: string;
  readonly body: Uint8Array;
}

interface Heard {
  readonly connection: number;
  readonly direction: Direction;
  readonly bytes: Uint8Array;
}

export class Tap {
  readonly url: string;
  readonly #server: Server;
  readonly #sockets: Socket[] = [];
  #heard: Heard[] = [];
  #connections = 0;

  private constructor(server: Server, target: URL) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on("connection", (client) => this.#join(client, target));
  }

  static async open(target: string): Promise<Tap> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new Tap(server, new URL(target));
  }

  #join(client: Socket, { hostname, port }: URL): void {
    const connection = this.#connections;
    this.#connections += 1;
    const server = connect(Number(port), hostname);
    this.#sockets.push(client, server);
    const carry = (from: Socket, to: Socket, direction: Direction) => {
      from.on("data", (bytes: Buffer) => {
        this.#heard.push({ connection, direction, bytes: new Uint8Array(bytes) });
        to.write(bytes);
      });
      from.on("close", () => to.destroy());
      from.on("error", () => to.destroy());
    };
    carry(client, server, "to server");
    carry(server, client, "to client");
  }

  /** What went this way since `clear`, byte for byte: each connection by itself, in the order in which they began to say something. */
  bytes(direction: Direction): Uint8Array[] {
    const heard = this.#heard.filter((each) => each.direction === direction);
    const connections = [...new Set(heard.map(({ connection }) => connection))];
    return connections.map((connection) =>
      Buffer.concat(heard.filter((each) => each.connection === connection).map(({ bytes }) => bytes)),
    );
  }

  /** The same as messages. Throws where something else than whole messages went over the wire. */
  messages(direction: Direction): TappedMessage[] {
    return this.bytes(direction).flatMap(messagesIn);
  }

  clear(): void {
    this.#heard = [];
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }
}

function messagesIn(stream: Uint8Array): TappedMessage[] {
  const messages: TappedMessage[] = [];
  for (let rest = Buffer.from(stream); rest.length > 0; ) {
    const end = rest.indexOf(END);
    if (end < 0) throw new Error(`a message without an end: ${rest.toString("latin1", 0, 200)}`);
    const head = rest.toString("latin1", 0, end);
    rest = rest.subarray(end + END.length);
    const isChunked = /^transfer-encoding: *chunked/im.test(head);
    const { body, length } = isChunked ? chunkedBody(rest) : plainBody(rest, head);
    messages.push({ head, body: new Uint8Array(body) });
    rest = rest.subarray(length);
  }
  return messages;
}

const END = "\r\n\r\n";
const LINE = "\r\n";

interface Body {
  readonly body: Uint8Array;
  /** On the wire. */
  readonly length: number;
}

function plainBody(rest: Buffer, head: string): Body {
  const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
  if (rest.length < length) throw new Error(`a body that is cut off: ${head}`);
  return { body: rest.subarray(0, length), length };
}

function chunkedBody(rest: Buffer): Body {
  const chunks: Uint8Array[] = [];
  for (let at = 0; ; ) {
    const line = rest.indexOf(LINE, at);
    const length = Number.parseInt(rest.toString("latin1", at, line), 16);
    const begin = line + LINE.length;
    if (line < 0 || rest.length < begin + length + LINE.length) throw new Error("a chunk that is cut off");
    chunks.push(rest.subarray(begin, begin + length));
    at = begin + length + LINE.length;
    if (length === 0) return { body: Buffer.concat(chunks), length: at };
  }
}
