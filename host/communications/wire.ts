/** One connection of a line, as long as it lasts: frames in their order, until it breaks. */

import type { RawData, WebSocket } from "ws";
import type { Timers } from "../services/clock.js";
import { FRAME_BYTES_MAX, SUBPROTOCOL } from "./frames.js";

export interface WireEvents {
  /** What came; perhaps no frame. */
  frame(bytes: Uint8Array): void;
  /** A sign of life without content: a ping, or the answer to one. */
  life(): void;
  /** It broke or was closed. Told once; nothing comes after it. */
  gone(): void;
}

export interface Wire {
  /** Who takes what comes, from now on. */
  listen(events: WireEvents): void;
  send(frame: Uint8Array): void;
  ping(): void;
  /** Bytes that the network has not taken yet. */
  readonly buffered_bytes: number;
  /** Closes it when what was sent is out. */
  finish(): void;
  /** Closes it at once. Nothing is told any more. */
  drop(): void;
}

/** How long the other end may take to let go of a connection that is finished. */
const FINISH_MS_MAX = 2_000;
const NOTHING = new Uint8Array(0);
export const IGNORED: WireEvents = { frame: () => undefined, life: () => undefined, gone: () => undefined };

/** What every WebSocket of a line is made with, at both ends: frames are short, and compress to nothing. */
export const SOCKET_OPTIONS = {
  maxPayload: FRAME_BYTES_MAX,
  maxFragments: 16,
  perMessageDeflate: false,
} as const;
export const SOCKET_PROTOCOLS: readonly string[] = [SUBPROTOCOL];

export class SocketWire implements Wire {
  #events: WireEvents = IGNORED;
  readonly #socket: WebSocket;
  readonly #timers: Timers;

  constructor(socket: WebSocket, timers: Timers) {
    this.#socket = socket;
    this.#timers = timers;
    socket.on("message", (data, isBinary) => this.#events.frame(isBinary ? bytesOf(data) : NOTHING));
    socket.on("ping", () => this.#events.life());
    socket.on("pong", () => this.#events.life());
    // A frame that is too long, or is none of WebSocket's: the connection is of no use any more.
    socket.on("error", () => socket.terminate());
    socket.on("close", () => {
      const events = this.#events;
      this.#events = IGNORED;
      events.gone();
    });
  }

  listen(events: WireEvents): void {
    this.#events = events;
  }

  send(frame: Uint8Array): void {
    this.#socket.send(frame, () => undefined); // Of a connection that breaks one is told by its end.
  }

  ping(): void {
    this.#socket.ping(undefined, undefined, () => undefined);
  }

  get buffered_bytes(): number {
    return this.#socket.bufferedAmount;
  }

  finish(): void {
    this.#socket.close();
    const cancel = this.#timers.after(FINISH_MS_MAX, () => this.#socket.terminate());
    this.#socket.once("close", cancel);
  }

  drop(): void {
    this.#events = IGNORED;
    this.#socket.terminate();
  }
}

function bytesOf(data: RawData): Uint8Array {
  if (data instanceof Uint8Array) return data;
  return Array.isArray(data) ? Buffer.concat(data) : new Uint8Array(data);
}
