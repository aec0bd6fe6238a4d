/** Many ask an issuer at once, for much, or read slowly what they asked for. */

import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { WORD_FORWARD } from "../../firmware/protocol/tokens.js";
import { MintClient } from "../../host/tokens/http/mint-client.js";
import { MINT_PATHS } from "../../host/tokens/http/mint-paths.js";
import { MintServer, type MintServerOptions } from "../../host/tokens/http/mint-server.js";
import { Making } from "../../host/tokens/mint/making.js";
import type { Issuer } from "../../host/tokens/parties.js";
import { DAY, outcomeOf, TokenWorld } from "../support/token-world.js";

const ends: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

describe("purses are made", () => {
  it("one after the other, also after one that could not be made", async () => {
    const making = new Making<string>();
    const done: string[] = [];
    const ending = new Map<string, () => void>();
    const make = (name: string, fails = false) =>
      making.make(name, async () => {
        done.push(`${name} begins`);
        await new Promise<void>((resolve) => ending.set(name, resolve));
        done.push(`${name} ends`);
        if (fails) throw new Error(`${name} failed`);
        return name;
      });
    const all = [make("a"), make("b", true), make("c")].map((made) => made.catch(String));
    for (const name of ["a", "b", "c"]) {
      await expect.poll(() => ending.has(name)).toBe(true);
      expect(done.at(-1)).toBe(`${name} begins`);
      ending.get(name)?.();
    }
    expect(await Promise.all(all)).toEqual(["a", "Error: b failed", "c"]);
    expect(done).toEqual(["a", "b", "c"].flatMap((name) => [`${name} begins`, `${name} ends`]));
  });

  it("once for all who ask meanwhile, and anew for who asks later", async () => {
    const w = await TokenWorld.open();
    const { sealed } = w.alice.ask(w.keys, {
      seller: w.shop.id,
      spendBy_seconds: w.now() + DAY,
      time_seconds: w.now(),
    });
    const forward = () => w.mint.forward(w.shop.word(WORD_FORWARD, sealed), sealed);
    const first = await forward();
    const together = await Promise.all([forward(), forward(), forward()]);
    // Each sealing has its own random key: what is the same was sealed once.
    const made = (purses: readonly { readonly sellerPurse: Uint8Array }[]) =>
      new Set(purses.map(({ sellerPurse }) => Buffer.from(sellerPurse).toString("hex"))).size;
    expect(made(together)).toBe(1);
    expect(made([first, ...together, await forward()])).toBe(3);
    expect(w.shop.take(first.sellerPurse).head.purse).toEqual(
      w.shop.take((together[2] ?? first).sellerPurse).head.purse,
    );
    expect(await w.faults()).toEqual([]);
  });
});

/** More than sockets hold. */
const LARGE = 32 * 1024 * 1024;
const MEANWHILE = new Uint8Array(1);

describe("an issuer's server", () => {
  async function served(options: MintServerOptions = {}) {
    const sizes = [LARGE];
    const issuer: Pick<Issuer, "request"> = {
      request: async () => ({ share: new Uint8Array(sizes.shift() ?? 1), halves: null }),
    };
    const server = await MintServer.open(issuer as Issuer, { travellingBytes_max: LARGE + 100_000, ...options });
    ends.push(() => server.close());
    const { hostname, port } = new URL(server.url);
    /** Asks, and reads nothing of the answer but its beginning. */
    const slow = async () => {
      const socket = connect(Number(port), hostname);
      ends.push(() => void socket.destroy());
      socket.write(`POST ${MINT_PATHS.request} HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nx`);
      await new Promise((resolve) => socket.once("readable", resolve));
      return socket;
    };
    const client = new MintClient(server.url);
    return { slow, sizes, ask: () => outcomeOf(client.request(MEANWHILE)) };
  }

  it("counts answers until they were read: who asks for more than there is room for is told to ask again", async () => {
    const { ask, sizes, slow } = await served();
    const socket = await slow();
    expect(await ask()).toBe("done");
    sizes.push(200_000);
    expect(await ask()).toBe("unreachable");
    expect(await ask()).toBe("done");
    socket.destroy();
    // Once it is gone there is room again.
    await expect
      .poll(() => {
        sizes.splice(0, sizes.length, 200_000);
        return ask();
      })
      .toBe("done");
  });

  it("lets go of whoever reads too slowly", async () => {
    const calls = new Set<() => void>();
    const timers = {
      after(_delay_ms: number, call: () => void) {
        calls.add(call);
        return () => calls.delete(call);
      },
    };
    const { ask, sizes, slow } = await served({ timers });
    const socket = await slow();
    expect(calls.size).toBe(1);
    for (const call of calls) call();
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    socket.on("error", () => {}).resume();
    await closed;
    expect(socket.bytesRead).toBeLessThan(LARGE);
    sizes.push(200_000);
    expect(await ask()).toBe("done");
    expect(calls.size).toBe(0);
  });
});
