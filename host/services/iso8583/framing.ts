/**
 * Messages on a TCP stream: two bytes of length, big-endian, then the message.
 *
 * Whoever can reach the port can send anything, so everything has a limit: the length of a frame, the time a frame may
 * take to arrive, the time a connection may idle, the number of connections. A connection's messages are answered one
 * by one, and nothing more is read from it meanwhile, so that a flood fills the sender's buffers and not ours.
 */

import { createServer, type Server, type Socket } from "node:net";
import type { Timers } from "../clock.js";
import { decodeMessage, encodeMessage, IsoFormatError, type IsoMessage, MESSAGE_BYTES_MAX } from "./codec.js";

const LENGTH_BYTES = 2;

export function frame(message: Uint8Array): Uint8Array {
  if (message.length === 0 || message.length > MESSAGE_BYTES_MAX) throw new RangeError("message has no legal length");
  const framed = new Uint8Array(LENGTH_BYTES + message.length);
  framed[0] = message.length >> 8;
  framed[1] = message.length & 0xff;
  framed.set(message, LENGTH_BYTES);
  return framed;
}

/** Cuts a stream into frames. Holds at most one unfinished frame. */
export class FrameReader {
  #pending: Uint8Array = new Uint8Array(0);

  /** Whether a frame has begun and not ended. */
  get unfinished(): boolean {
    return this.#pending.length > 0;
  }

  /** The frames that `chunk` completes. Throws IsoFormatError on a length that no frame has; then the stream is lost. */
  *push(chunk: Uint8Array): Generator<Uint8Array> {
    let bytes = this.unfinished ? Buffer.concat([this.#pending, chunk]) : chunk;
    while (bytes.length >= LENGTH_BYTES) {
      const length = ((bytes[0] as number) << 8) | (bytes[1] as number);
      if (length === 0 || length > MESSAGE_BYTES_MAX) throw new IsoFormatError(`a frame of ${length} bytes`);
      if (bytes.length < LENGTH_BYTES + length) break;
      // What is left is kept before the frame is handed out: its receiver may never come back for the next one.
      const whole = bytes.slice(LENGTH_BYTES, LENGTH_BYTES + length);
      bytes = bytes.subarray(LENGTH_BYTES + length);
      this.#pending = bytes;
      yield whole;
    }
    this.#pending = bytes.slice();
  }
}

export interface ServerLimits {
  readonly connections_max: number;
  /** A connection on which nothing at all happens. */
  readonly idle_ms_max: number;
  /** From the first byte of a frame to its last. */
  readonly frame_ms_max: number;
}

export const SERVER_LIMITS: ServerLimits = { connections_max: 64, idle_ms_max: 120_000, frame_ms_max: 10_000 };

/** What a connection was closed for, for the operator. Never contains what was sent. */
export type ServerEvent = "connected" | "turned-away" | "garbage" | "idle" | "slow-frame" | "failed";

/** Answers messages. One of these is made for each connection, so that it can remember who signed on. */
export type Responder = (message: IsoMessage) => Promise<IsoMessage | undefined>;

export interface ServerOptions {
  readonly responder: () => Responder;
  readonly timers: Timers;
  readonly limits?: ServerLimits;
  readonly onEvent?: (event: ServerEvent) => void;
}

/** A TCP server of ISO 8583 on loopback. */
export class IsoServer {
  readonly #server: Server;
  /** The open connections, each with the end of its conversation. */
  readonly #sockets = new Map<Socket, Promise<void>>();
  readonly #options: ServerOptions;
  readonly #limits: ServerLimits;

  constructor(options: ServerOptions) {
    this.#options = options;
    this.#limits = options.limits ?? SERVER_LIMITS;
    this.#server = createServer({ noDelay: true }, (socket) => {
      this.#sockets.set(socket, this.#serve(socket));
    });
    this.#server.maxConnections = this.#limits.connections_max;
    this.#server.on("drop", () => this.#tell("turned-away"));
  }

  /** Resolves to the port once it is bound; 0 asks for any free one. */
  listen(port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, "127.0.0.1", () => {
        this.#server.off("error", reject);
        const address = this.#server.address();
        resolve(address !== null && typeof address === "object" ? address.port : port);
      });
    });
  }

  /** Stops listening, closes all connections, and waits for the answers that were being made. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const conversations = [...this.#sockets.values()];
    for (const socket of this.#sockets.keys()) socket.destroy();
    await Promise.all([closed, ...conversations]);
  }

  async #serve(socket: Socket): Promise<void> {
    this.#tell("connected");
    socket.on("error", () => {}); // A connection that breaks is closed below; there is nothing else to do about it.
    socket.setTimeout(this.#limits.idle_ms_max, () => {
      this.#tell("idle");
      socket.destroy();
    });
    try {
      await this.#converse(socket);
    } catch (error) {
      if (error instanceof IsoFormatError) this.#tell("garbage");
      else if (!socket.destroyed) this.#tell("failed");
    } finally {
      this.#sockets.delete(socket);
      socket.destroy();
    }
  }

  async #converse(socket: Socket): Promise<void> {
    const reader = new FrameReader();
    const respond = this.#options.responder();
    // Runs from a frame's first chunk to its last, however many chunks lie between: a byte now and then resets the
    // idle timeout, but not this.
    let cancelDeadline: (() => void) | undefined;
    try {
      for await (const chunk of socket as AsyncIterable<Uint8Array>) {
        for (const bytes of reader.push(chunk)) {
          cancelDeadline?.();
          cancelDeadline = undefined;
          const answer = await respond(decodeMessage(bytes));
          if (answer !== undefined) await write(socket, frame(encodeMessage(answer)));
        }
        if (reader.unfinished) cancelDeadline ??= this.#frameDeadline(socket);
      }
    } finally {
      cancelDeadline?.();
    }
  }

  #frameDeadline(socket: Socket): () => void {
    return this.#options.timers.after(this.#limits.frame_ms_max, () => {
      this.#tell("slow-frame");
      socket.destroy();
    });
  }

  #tell(event: ServerEvent): void {
    this.#options.onEvent?.(event);
  }
}

function write(socket: Socket, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(bytes, (error) => (error === undefined || error === null ? resolve() : reject(error)));
  });
}
