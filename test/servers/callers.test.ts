/** Strangers wait in a fair queue: how long a customer waits beside them, in virtual time. */

import { afterEach, describe, expect, test } from "vitest";
import { ADDRESS_MODULE, KIND_SEALED } from "../../firmware/protocol/messages.js";
import { Tills } from "../../host/applications/tills.js";
import { CALLERS_LIMITS, Callers } from "../../host/communications/callers.js";
import { inProcessLink } from "../../host/communications/in-process.js";
import type { PeerLink } from "../../host/communications/link.js";
import type { Device } from "../../host/device.js";
import { Turns } from "../../host/wallet/turns.js";
import { firstHandshake } from "../support/strangers.js";
import { VirtualTime } from "../support/virtual-time.js";

const { sessionAwaited_ms_max, session_ms_max, perAddress_max, strangers_max } = CALLERS_LIMITS;
const STRANGERS = 20;
const HANDSHAKE_MS = 50;
const SEALED = Uint8Array.of(ADDRESS_MODULE, KIND_SEALED, 1);
/** Whoever goes on with the handshake has a chip. */
const GOES_ON = Uint8Array.of(ADDRESS_MODULE, 0xff);

let over: (() => void)[] = [];
afterEach(() => {
  for (const end of over) end();
  over = [];
});

/** A server of these many devices, each of which speaks with one caller until the line ends. */
class Port {
  readonly time = new VirtualTime();
  readonly callers = new Callers(this.time);
  readonly served: string[] = [];
  busy = 0;
  readonly #serveNext: <T>(work: () => Promise<T>) => Promise<T>;

  constructor(devices: number) {
    const turns = new Turns();
    const tills = new Tills(Array.from({ length: devices }, (_, i) => ({ name: `${i}` }) as Device));
    this.#serveNext = devices === 1 ? (work) => turns.take(work) : (work) => tills.use(undefined, work);
  }

  get now_ms(): number {
    return this.time.clock.nowMs();
  }

  line(address: string, lane?: string): PeerLink {
    const [theirs, ours] = inProcessLink();
    void this.callers.serve(ours, address, (link) => this.#serveNext(() => this.#speak(link, address)), lane);
    return theirs;
  }

  #speak(link: PeerLink, address: string): Promise<void> {
    this.busy += 1;
    this.served.push(address);
    return new Promise((resolve) => {
      link.onClose(() => {
        this.busy -= 1;
        resolve();
      });
      link.onMessage((message) => link.send(message[1] === GOES_ON[1] ? SEALED : message));
    });
  }

  /** Comes again whenever it is cut off. */
  stranger(address: string, lane?: string): void {
    let isOver = false;
    const come = () => {
      if (isOver) return;
      if (!this.callers.hasRoom(address)) return void this.time.after(10, come);
      const line = this.line(address, lane);
      line.send(firstHandshake(ADDRESS_MODULE));
      line.onClose(() => setImmediate(come));
      over.push(() => {
        isOver = true;
        line.close();
      });
    };
    come();
  }

  /** From its first message to its session; it hangs up after that. */
  async customer(address: string, lane?: string): Promise<number> {
    const since = this.now_ms;
    const line = this.line(address, lane);
    line.send(firstHandshake(ADDRESS_MODULE));
    const session = new Promise<void>((resolve, reject) => {
      line.onMessage((message) => {
        if (message[1] === KIND_SEALED) resolve();
        else this.time.after(HANDSHAKE_MS, () => line.send(GOES_ON));
      });
      line.onClose(() => reject(new Error("cut off")));
    });
    await this.time.run(session);
    const waited = this.now_ms - since;
    line.close();
    return waited;
  }
}

const turns = async (number: number) => {
  for (let turn = 0; turn < number; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

describe("beside 20 strangers who come again and again, a customer", () => {
  for (const devices of [1, 2]) {
    test(`from another address waits for one of them at most, with ${devices} devices`, async () => {
      const port = new Port(devices);
      for (let i = 0; i < STRANGERS; i += 1) port.stranger("a");
      await turns(5);
      for (let visit = 0; visit < 5; visit += 1) {
        const waited = await port.customer("b");
        expect(waited).toBeLessThanOrEqual(devices > 1 ? HANDSHAKE_MS : sessionAwaited_ms_max + HANDSHAKE_MS);
      }
    });

    test(`from their address waits for those before it, with ${devices} devices`, async () => {
      const port = new Port(devices);
      for (let i = 0; i < STRANGERS; i += 1) port.stranger("a");
      await turns(5);
      const waited = await port.customer("a");
      expect(waited).toBeLessThanOrEqual(STRANGERS * sessionAwaited_ms_max + HANDSHAKE_MS);
      expect(waited).toBeGreaterThan((STRANGERS - 1) * sessionAwaited_ms_max);
    });
  }

  test("from one of four addresses waits for one stranger of each", async () => {
    const port = new Port(1);
    for (let i = 0; i < STRANGERS; i += 1) port.stranger("abc".charAt(i % 3));
    await turns(5);
    expect(await port.customer("d")).toBeLessThanOrEqual(3 * sessionAwaited_ms_max + HANDSHAKE_MS);
    expect(port.served.slice(0, 4).sort()).toEqual(["a", "b", "c", "d"]);
  });

  test("of another purpose at two tills waits for one of each purpose at most", async () => {
    const port = new Port(2);
    for (let i = 0; i < STRANGERS; i += 1) port.stranger("a", i % 2 ? "trade" : "resume");
    await turns(5);
    expect(await port.customer("b", "trade")).toBeLessThanOrEqual(sessionAwaited_ms_max + HANDSHAKE_MS);
  });
});

describe("a caller without a session", () => {
  test("of one address is at one device at a time, and one with a session in nobody's way", async () => {
    const port = new Port(3);
    for (let i = 0; i < 3; i += 1) port.stranger("a");
    await turns(20);
    expect(port.busy).toBe(1);
    const line = port.line("b");
    line.send(firstHandshake(ADDRESS_MODULE));
    line.send(GOES_ON);
    await turns(20);
    expect(await port.customer("b")).toBe(HANDSHAKE_MS);
    expect(port.busy).toBe(2);
    line.close();
  });

  test("takes its time when it is alone, and is cut off when somebody comes", async () => {
    const port = new Port(1);
    const since = port.now_ms;
    const alone = () => {
      const line = port.line("a");
      line.send(firstHandshake(ADDRESS_MODULE));
      return new Promise<void>((resolve) => line.onClose(resolve));
    };
    await port.time.run(alone());
    expect(port.now_ms - since).toBe(session_ms_max);
    void alone();
    await port.time.run(new Promise<void>((resolve) => void port.time.after(sessionAwaited_ms_max * 2, resolve)));
    expect(port.busy).toBe(1);
    expect(await port.customer("b")).toBe(HANDSHAKE_MS);
  });

  test("that leaves while it waits is forgotten, and its place is free", async () => {
    const port = new Port(1);
    const waiting = Array.from({ length: perAddress_max }, () => port.line("a"));
    for (const line of waiting) line.send(firstHandshake(ADDRESS_MODULE));
    await turns(5);
    expect([port.callers.hasRoom("a"), port.callers.hasRoom("b")]).toEqual([false, true]);
    for (const line of waiting) line.close();
    await turns(5);
    expect([port.callers.hasRoom("a"), port.busy]).toEqual([true, 0]);
    expect(await port.customer("a")).toBe(HANDSHAKE_MS);
    expect(port.time.clock.advanceToNext(), "no timer is left").toBe(false);
  });

  test("finds no room when there are too many, wherever it comes from", async () => {
    const port = new Port(1);
    for (let i = 0; i < strangers_max; i += 1) {
      expect(port.callers.hasRoom(`${i}`)).toBe(true);
      const line = port.line(`${i}`);
      over.push(() => line.close());
    }
    expect(port.callers.hasRoom("b")).toBe(false);
  });
});
