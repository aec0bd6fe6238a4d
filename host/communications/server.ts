/**
 * Where other hosts connect to: a port for lines, each for one of the purposes that this server serves.
 *
 * Whoever can reach the port can send anything, so everything has a limit: connections in all and from one address, the time
 * until a connection has said hello, the length of a frame, frames a second, lines whose connection is gone. Garbage closes
 * the connection it came on; a fault of a line ends that line. What a line may then do is decided above: an unknown peer
 * can say no more to a chip than a chip lets it.
 *
 * It speaks no TLS. A server that others reach over the Internet stands behind a proxy that does (wss://), which counts as one
 * address: raise `connectionsPerAddress_max` there.
 */

import { timingSafeEqual } from "node:crypto";
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer, type Server as NetServer, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import { type RandomSource, randomBytes } from "../randomness.js";
import type { Timers } from "../services/clock.js";
import { LineMisusedError } from "./errors.js";
import {
  decodeFrame,
  encodeFrame,
  FrameVersionError,
  type HelloFrame,
  isPurpose,
  PURPOSE_CHARS_MAX,
  type Refusal,
  SUBPROTOCOL,
  TOKEN_BYTES,
} from "./frames.js";
import { LINE_LIMITS, Line, type LineLimits } from "./line.js";
import { IGNORED, SOCKET_OPTIONS, SocketWire, type Wire } from "./wire.js";

export interface ServerLimits extends LineLimits {
  readonly connections_max: number;
  readonly connectionsPerAddress_max: number;
  /** From the connection to its hello, or to the end of a request's head. */
  readonly hello_ms_max: number;
  /** From the head of an HTTP request to the end of its answer. */
  readonly request_ms_max: number;
  /** Lines that wait for their next connection. */
  readonly waitingLines_max: number;
}

export const LINE_SERVER_LIMITS: ServerLimits = {
  ...LINE_LIMITS,
  connections_max: 256,
  connectionsPerAddress_max: 64,
  hello_ms_max: 10_000,
  request_ms_max: 30_000,
  waitingLines_max: 64,
};

/** What happened, for the operator. Never contains what was sent. */
export type LineServerEvent =
  | "opened"
  | "resumed"
  | "closed"
  | "turned-away"
  | "silent"
  | "garbage"
  | "refused"
  | "evicted"
  | "failed";

export interface LineServerOptions {
  readonly host?: string;
  readonly port?: number;
  /** The only path that lines are opened at; without it any. */
  readonly path?: string;
  readonly purposes: readonly string[];
  /** Takes a new line. What it throws ends that line. `address` is where it comes from: of IPv6 the network. */
  readonly onLine: (line: Line, purpose: string, query: URLSearchParams, address: string) => void | Promise<void>;
  /** Whether there is a device for one more line; without it there always is. A client is told to try again. */
  readonly hasRoom?: (purpose: string, query: URLSearchParams, address: string) => boolean;
  /** Answers HTTP requests that open no line; without it they are told what this port is for. */
  readonly onRequest?: (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;
  readonly timers: Timers;
  readonly random: RandomSource;
  readonly limits?: Partial<ServerLimits>;
  /** With the error, where somebody may have to look for its cause. */
  readonly onEvent?: (event: LineServerEvent, error?: Error) => void;
}

/** The port cannot be listened on. */
export class LinePortError extends Error {
  constructor(place: string, why: string) {
    super(
      `Nobody can connect to ${place}, because it cannot be listened on (${why}). No money moved. Use another port.`,
    );
    this.name = "LinePortError";
  }
}

const HEAD_BYTES_MAX = 8 * 1024;
/** Connections that are being told that there is no room. */
const TURNED_AWAY_MAX = 32;
const TURN_AWAY_MS = 1_000;
const UPGRADE_FIRST = "This port is for lines between Tallystick devices: open it with a Tallystick client.\n";

interface Connection {
  readonly address: string;
  cancelDeadline: (() => void) | undefined;
}

interface OpenLine {
  readonly line: Line;
  readonly purpose: string;
  readonly address: string;
}

export class LineServer {
  readonly #options: LineServerOptions;
  readonly #limits: ServerLimits;
  readonly #port: NetServer;
  readonly #http: Server;
  readonly #sockets: WebSocketServer;
  readonly #connections = new Map<Duplex, Connection>();
  readonly #turnedAway = new Set<Socket>();
  readonly #lines = new Set<OpenLine>();
  /** In the order in which they began to wait. */
  readonly #waiting = new Set<OpenLine>();
  #bound = { host: "", port: 0 };
  #isClosing = false;
  #wakeClosing: (() => void) | undefined;

  private constructor(options: LineServerOptions) {
    for (const purpose of options.purposes) {
      if (!isPurpose(purpose)) throw new RangeError(`purposes: words of at most ${PURPOSE_CHARS_MAX} letters`);
    }
    this.#options = options;
    this.#limits = { ...LINE_SERVER_LIMITS, ...options.limits };
    this.#http = createHttpServer({ maxHeaderSize: HEAD_BYTES_MAX }, (request, response) =>
      this.#answer(request, response),
    );
    // Deadlines are ours, from the timers that were handed in.
    this.#http.requestTimeout = 0;
    this.#http.headersTimeout = 0;
    this.#http.keepAliveTimeout = 0;
    this.#http.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
    this.#http.on("clientError", (_error, socket) => {
      this.#tell("garbage");
      socket.destroy();
    });
    this.#sockets = new WebSocketServer({
      ...SOCKET_OPTIONS,
      noServer: true,
      clientTracking: false,
      handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
    });
    this.#port = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#admit(socket));
  }

  static async open(options: LineServerOptions): Promise<LineServer> {
    const server = new LineServer(options);
    await server.#listen();
    return server;
  }

  get address(): { readonly host: string; readonly port: number } {
    return this.#bound;
  }

  /** What a client on this machine opens. */
  get url(): string {
    const { host, port } = this.#bound;
    return `ws://${host.includes(":") ? `[${host}]` : host}:${port}${this.#options.path ?? "/"}`;
  }

  /** The lines that are not over, with or without a connection. */
  get lines(): readonly Line[] {
    return [...this.#lines].map(({ line }) => line);
  }

  /** Takes no more lines, ends those that are open in an orderly way, and lets go of the port. */
  async close(): Promise<void> {
    this.#isClosing = true;
    const released = new Promise<void>((resolve) => this.#port.close(() => resolve()));
    for (const { line } of this.#lines) line.close();
    while (this.#lines.size > 0) {
      await new Promise<void>((resolve) => {
        this.#wakeClosing = resolve;
      });
    }
    for (const [socket, connection] of this.#connections) if (connection.cancelDeadline !== undefined) socket.destroy();
    for (const socket of this.#turnedAway) socket.destroy();
    await released;
  }

  #listen(): Promise<void> {
    const { host = "127.0.0.1", port = 0 } = this.#options;
    return new Promise((resolve, reject) => {
      this.#port.once("error", (error: NodeJS.ErrnoException) =>
        reject(new LinePortError(`${host}:${port}`, error.code ?? error.message)),
      );
      this.#port.listen(port, host, () => {
        const bound = this.#port.address();
        if (bound !== null && typeof bound === "object") this.#bound = { host: bound.address, port: bound.port };
        this.#port.removeAllListeners("error");
        this.#port.on("error", (error) => this.#tell("failed", error)); // One connection could not be accepted.
        resolve();
      });
    });
  }

  // Connections.

  #admit(socket: Socket): void {
    socket.on("error", () => undefined); // Its end is told below.
    const address = networkOf(socket.remoteAddress ?? "");
    let fromThere = 0;
    for (const connection of this.#connections.values()) if (connection.address === address) fromThere += 1;
    const { connections_max, connectionsPerAddress_max, hello_ms_max } = this.#limits;
    if (this.#connections.size >= connections_max || fromThere >= connectionsPerAddress_max) {
      this.#turnAway(socket);
      return;
    }
    const connection: Connection = { address, cancelDeadline: undefined };
    this.#connections.set(socket, connection);
    this.#deadline(socket, connection, hello_ms_max);
    socket.once("close", () => {
      connection.cancelDeadline?.();
      this.#connections.delete(socket);
    });
    this.#http.emit("connection", socket);
  }

  #deadline(socket: Duplex, connection: Connection, within_ms: number): void {
    connection.cancelDeadline?.();
    connection.cancelDeadline = this.#options.timers.after(within_ms, () => {
      this.#tell("silent");
      socket.destroy();
    });
  }

  /** Says so, without reading what it was going to say; too many at once are told nothing. */
  #turnAway(socket: Socket): void {
    this.#tell("turned-away");
    if (this.#turnedAway.size >= TURNED_AWAY_MAX) {
      socket.destroy();
      return;
    }
    this.#turnedAway.add(socket);
    const cancel = this.#options.timers.after(TURN_AWAY_MS, () => socket.destroy());
    socket.once("close", () => {
      cancel();
      this.#turnedAway.delete(socket);
    });
    socket.end(statusOnly(503, "Service Unavailable"));
    socket.resume();
    socket.once("end", () => socket.destroy());
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const connection = this.#connections.get(request.socket);
    if (connection === undefined) {
      request.socket.destroy();
      return;
    }
    this.#deadline(request.socket, connection, this.#limits.request_ms_max);
    response.setHeader("Connection", "close");
    response.on("error", () => undefined);
    const { onRequest } = this.#options;
    if (onRequest === undefined) {
      response.writeHead(426, { "Content-Type": "text/plain", Upgrade: "websocket" });
      response.end(UPGRADE_FIRST);
      return;
    }
    this.#guard(
      () => onRequest(request, response),
      (error) => {
        this.#tell("failed", error);
        if (response.headersSent) request.socket.destroy();
        else response.writeHead(500, { "Content-Type": "text/plain" }).end("This request could not be answered.\n");
      },
    );
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const connection = this.#connections.get(socket);
    const url = urlOf(request);
    const refusal = this.#refusalOf(request, url);
    if (connection === undefined || url === undefined || refusal !== undefined) {
      this.#tell("garbage");
      socket.end(refusal ?? statusOnly(400, "Bad Request"));
      return;
    }
    this.#sockets.handleUpgrade(request, socket, head, (webSocket) =>
      this.#greet(new SocketWire(webSocket, this.#options.timers), connection, url.searchParams),
    );
  }

  #refusalOf(request: IncomingMessage, url: URL | undefined): string | undefined {
    const { path } = this.#options;
    if (this.#isClosing) return statusOnly(503, "Service Unavailable");
    if (url === undefined) return statusOnly(400, "Bad Request");
    if (path !== undefined && url.pathname !== path) return statusOnly(404, "Not Found");
    // A page in somebody's browser has no business here, not even on that somebody's own machine.
    if (request.headers.origin !== undefined) return statusOnly(403, "Forbidden");
    const protocols = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
    return protocols.includes(SUBPROTOCOL) ? undefined : statusOnly(400, "Bad Request");
  }

  // Lines.

  /** A connection's first frame decides which line it is for. */
  #greet(wire: Wire, connection: Connection, query: URLSearchParams): void {
    wire.listen({
      ...IGNORED,
      frame: (bytes) => {
        wire.listen(IGNORED);
        const begun = this.#begin(bytes, connection, query);
        if (typeof begun === "string") {
          this.#refuse(wire, begun);
          return;
        }
        const { open, hello } = begun;
        this.#attach(wire, connection, open, hello.expected);
        if (hello.token === undefined) this.#announce(open, query);
      },
    });
  }

  #begin(
    bytes: Uint8Array,
    connection: Connection,
    query: URLSearchParams,
  ): { open: OpenLine; hello: HelloFrame } | Refusal {
    const hello = helloOf(bytes);
    if (typeof hello === "string") return hello;
    const open = hello.token === undefined ? this.#newLine(hello, connection, query) : this.#lineOf(hello.token, hello);
    return typeof open === "string" ? open : { open, hello };
  }

  #refuse(wire: Wire, reason: Refusal): void {
    this.#tell(reason === "malformed" ? "garbage" : "refused");
    wire.send(encodeFrame({ kind: "refused", reason }));
    wire.finish();
  }

  #newLine({ purpose, expected }: HelloFrame, { address }: Connection, query: URLSearchParams): OpenLine | Refusal {
    if (!this.#options.purposes.includes(purpose)) return "purpose";
    if (expected !== 0) return "malformed";
    if (this.#isClosing || !this.#hasRoom(purpose, query, address)) return "busy";
    const line = new Line({
      timers: this.#options.timers,
      limits: this.#limits,
      token: randomBytes(this.#options.random, TOKEN_BYTES),
      onDetached: () => this.#wait(open),
      onOver: () => this.#forget(open),
    });
    const open: OpenLine = { line, purpose, address };
    // Whoever has lost its connection may be what this one has to wait for.
    for (const { line: other } of this.#lines) other.hurry();
    this.#lines.add(open);
    return open;
  }

  #hasRoom(purpose: string, query: URLSearchParams, address: string): boolean {
    let hasRoom = false;
    this.#guard(
      () => {
        hasRoom = this.#options.hasRoom?.(purpose, query, address) ?? true;
      },
      (error) => this.#tell("failed", error),
    );
    return hasRoom;
  }

  #lineOf(token: Uint8Array, { purpose, expected }: HelloFrame): OpenLine | Refusal {
    // All are looked at, so that the time it takes tells nothing of any.
    let found: OpenLine | undefined;
    for (const open of this.#lines) if (timingSafeEqual(open.line.token, token)) found = open;
    if (found === undefined || found.purpose !== purpose) return "unknown-line";
    return found.line.fits(expected) ? found : "malformed";
  }

  #announce(open: OpenLine, query: URLSearchParams): void {
    this.#guard(
      () => this.#options.onLine(open.line, open.purpose, query, open.address),
      (error) => {
        // A line that was closed already goes on to its end: what was said last is often why.
        if (open.line.isOpen) open.line.abandon(error);
        else this.#tell("failed", error);
      },
    );
  }

  #attach(wire: Wire, connection: Connection, open: OpenLine, peerExpects: number): void {
    const { line, purpose } = open;
    this.#waiting.delete(open);
    this.#tell(line.isNew ? "opened" : "resumed");
    connection.cancelDeadline?.();
    connection.cancelDeadline = undefined;
    wire.send(encodeFrame({ kind: "hello", token: line.token, expected: line.expected, purpose }));
    line.attach(wire, peerExpects);
  }

  /** Too many lines that wait: of the address that has most of them, the one that has waited longest is given up. */
  #wait(open: OpenLine): void {
    this.#waiting.add(open);
    if (this.#lines.size > 1) open.line.hurry();
    if (this.#waiting.size <= this.#limits.waitingLines_max) return;
    const counts = new Map<string, number>();
    for (const { address } of this.#waiting) counts.set(address, (counts.get(address) ?? 0) + 1);
    const most = Math.max(...counts.values());
    for (const waiting of this.#waiting) {
      if (counts.get(waiting.address) !== most) continue;
      this.#tell("evicted");
      waiting.line.abandon(new LineMisusedError("too many others had none"));
      return;
    }
  }

  #forget(open: OpenLine): void {
    this.#waiting.delete(open);
    this.#lines.delete(open);
    if (open.line.fault === undefined) this.#tell("closed");
    else this.#tell("failed", open.line.fault);
    this.#wakeClosing?.();
  }

  /** What somebody else's code does wrong is no concern of any other line. */
  #guard(work: () => void | Promise<void>, failed: (error: Error) => void): void {
    const fail = (cause: unknown) => failed(cause instanceof Error ? cause : new Error(String(cause)));
    try {
      work()?.catch(fail);
    } catch (error) {
      fail(error);
    }
  }

  #tell(event: LineServerEvent, error?: Error): void {
    try {
      this.#options.onEvent?.(event, error);
    } catch {
      // An onlooker's fault changes nothing here.
    }
  }
}

/** The hello that a connection begins with, or why there is none. */
function helloOf(bytes: Uint8Array): HelloFrame | Refusal {
  try {
    const frame = decodeFrame(bytes);
    return frame.kind === "hello" ? frame : "malformed";
  } catch (error) {
    return error instanceof FrameVersionError ? "version" : "malformed";
  }
}

function urlOf(request: IncomingMessage): URL | undefined {
  const target = request.url ?? "";
  if (!target.startsWith("/")) return undefined;
  const text = `ws://line${target}`;
  return URL.canParse(text) ? new URL(text) : undefined;
}

function statusOnly(status: number, text: string): string {
  return `HTTP/1.1 ${status} ${text}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`;
}

/** What counts as one address: for IPv6 the network of 64 bits that one household has. */
function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined || !address.includes(":")) return mapped ?? address;
  const groups = (address.split("::")[0] ?? "").split(":").slice(0, 4);
  return `${groups.join(":")}::/64`;
}
