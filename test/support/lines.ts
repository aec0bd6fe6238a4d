/** What stands between the ends of a line: wires within a process, and a proxy on loopback that cuts, delays and goes deaf. */

import { connect, createServer, type Server, type Socket } from "node:net";
import type { Wire, WireEvents } from "../../host/communications/wire.js";
import { IGNORED } from "../../host/communications/wire.js";
import type { Timers } from "../../host/services/clock.js";

/** What becomes of a connection through the proxy. */
export interface ConnectionFate {
  /** Before it reaches the server; a later one may overtake it. */
  readonly hold_ms?: number;
  /** Bytes of each direction that come through. */
  readonly bytes?: number;
  /** After those: the connection ends, or nothing comes through any more and nobody is told. */
  readonly ending?: "cut" | "deaf";
}

export class CuttingProxy {
  /** Refuses whoever comes. */
  isDown = false;
  connections = 0;
  /** Those it refused included. */
  knocks = 0;
  /** Where connections lead from now on. */
  target: { readonly host: string; readonly port: number };
  readonly #timers: Timers;
  readonly #fateOf: (connection: number) => ConnectionFate;
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  #port = 0;

  private constructor(
    target: { readonly host: string; readonly port: number },
    timers: Timers,
    fateOf: (connection: number) => ConnectionFate,
  ) {
    this.target = target;
    this.#timers = timers;
    this.#fateOf = fateOf;
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  }

  static async open(
    target: { readonly host: string; readonly port: number },
    timers: Timers,
    fateOf: (connection: number) => ConnectionFate = () => ({}),
  ): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(target, timers, fateOf);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    const address = proxy.#server.address();
    proxy.#port = address !== null && typeof address === "object" ? address.port : 0;
    return proxy;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.#port}/`;
  }

  /** Ends every connection that there is. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.isDown = true;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.cut();
    await closed;
  }

  #accept(socket: Socket): void {
    this.knocks += 1;
    if (this.isDown) {
      socket.destroy();
      return;
    }
    const fate = this.#fateOf(this.connections);
    this.connections += 1;
    this.#track(socket);
    if (fate.hold_ms === undefined) this.#join(socket, fate);
    else this.#timers.after(fate.hold_ms, () => this.#join(socket, fate));
  }

  #join(near: Socket, fate: ConnectionFate): void {
    // One that its client has given up reaches the server all the same: that is what being late means.
    const far = connect({ ...this.target, noDelay: true });
    this.#track(far);
    this.#pass(near, far, fate);
    this.#pass(far, near, fate);
  }

  #pass(from: Socket, to: Socket, fate: ConnectionFate): void {
    let left = fate.bytes ?? Number.POSITIVE_INFINITY;
    let isDeaf = false;
    from.on("data", (chunk) => {
      if (isDeaf) return;
      to.write(chunk.subarray(0, Math.min(left, chunk.length)));
      left -= chunk.length;
      if (left >= 0) return;
      if (fate.ending === "deaf") isDeaf = true;
      else {
        from.destroy();
        to.end();
      }
    });
    from.on("close", () => {
      if (!isDeaf && fate.ending !== "deaf") to.end();
    });
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => this.#sockets.delete(socket));
  }
}

/** One end of a connection within this process: what it sends waits until the test lets it through. */
export class MemoryWire implements Wire {
  other!: MemoryWire;
  buffered_bytes = 0;
  readonly sent: Uint8Array[] = [];
  pings = 0;
  #events: WireEvents = IGNORED;
  #isOpen = true;

  listen(events: WireEvents): void {
    this.#events = events;
  }

  send(frame: Uint8Array): void {
    if (this.#isOpen) this.sent.push(frame);
  }

  ping(): void {
    this.pings += 1;
  }

  /** Lets the next frame of the other end through; false when there is none. */
  takeOne(): boolean {
    const frame = this.other.sent.shift();
    if (frame === undefined || !this.#isOpen) return false;
    this.#events.frame(frame);
    return true;
  }

  life(): void {
    this.#events.life();
  }

  /** The connection ends, as this end sees it. */
  gone(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const events = this.#events;
    this.#events = IGNORED;
    events.gone();
  }

  finish(): void {
    this.#isOpen = false;
  }

  drop(): void {
    this.#isOpen = false;
    this.#events = IGNORED;
  }
}

export function memoryWires(): [MemoryWire, MemoryWire] {
  const wires: [MemoryWire, MemoryWire] = [new MemoryWire(), new MemoryWire()];
  wires[0].other = wires[1];
  wires[1].other = wires[0];
  return wires;
}
